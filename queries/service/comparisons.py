"""Several companies side by side, aligned by calendar period."""

import msgspec

from queries.connections import ReadSources
from queries.read_models.comparison import COMPARISON, ComparisonRow
from queries.service.result import Result
from queries.service.series import read_series
from queries.service.series_query import SeriesQuery
from queries.service.time_line import label_of


class CompareQuery(SeriesQuery, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Which companies, metrics and periods to put side by side."""


async def compare_companies(sources: ReadSources, query: CompareQuery) -> Result:
    """
    This will give a row for every metric, calendar period and company, in this order; none is left out.

    Raises:
        QueryError: a company or metric is unknown or ambiguous, or the arguments contradict each other.
    """
    found, meta = await read_series(sources, references=query.companies, keys=query.metrics, asked=query, aligned=True)
    rows = [
        ComparisonRow(**msgspec.structs.asdict(row), column=label_of(slot, query.period_type)) for slot, row in found
    ]
    return Result(read_model=COMPARISON, meta=meta, rows=rows)
