"""Companies side by side: the same metrics over the same calendar periods."""

from typing import Annotated

from queries.read_models.declaration import ReadModel, column
from queries.read_models.series import SERIES, SeriesRow


class ComparisonRow(SeriesRow, frozen=True, kw_only=True):
    """One company's value in one column of the comparison."""

    column: Annotated[
        str,
        column(
            "Calendar period under which the companies stand side by side; a balance stands with the year or quarter "
            "it closes.",
            example="CY2023",
        ),
    ]


COMPARISON = ReadModel(
    name="comparison",
    row=ComparisonRow,
    key=("metric", "column", "cik"),
    cache_seconds=10,
    stored=SERIES.stored,
)
"""Every company has a row for every metric and column, in the order asked for; `value` is null where there is none."""
