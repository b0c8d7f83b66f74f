"""Companies that fulfil conditions."""

from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column
from queries.read_models.members import MembersShown


class ScreenedValueRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a company has for one of the figures asked about."""

    figure: Annotated[
        str, column("The figure: a metric, or its standing in a group.", example="net_margin.percentile(sector)")
    ]
    period: Annotated[str, column("Calendar period of the value.", example="CY2023")]
    unit: Annotated[str, column("Unit of the metric; of a standing percentile, rank or zscore.", example="percentile")]
    value: Annotated[Decimal | None, column("The exact value; null where there is none.", example=93.5)]
    accession: Annotated[str | None, column("Filing that made the value known; null for a standing.", example=None)]


class ScreenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company that fulfils every condition."""

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key of the company.", example=320193)]
    name: Annotated[str, column("Name as filed, cleaned for display.", example="Apple Inc.")]
    sector: Annotated[str | None, column("SIC division the company counts in, by `members`.", example="manufacturing")]
    industry: Annotated[str | None, column("Four-digit SIC industry it counts in.", example="3571")]
    country: Annotated[str | None, column("Country it counts in.", example="US")]
    size_class: Annotated[str | None, column("Class the filer counted itself to.", example="large_accelerated")]
    values: Annotated[
        list[ScreenedValueRow],
        column("The figures of the conditions, of sort and of columns, in that order.", example=[]),
    ]
    members: MembersShown


SCREEN = ReadModel(
    name="screen",
    row=ScreenRow,
    key=("cik",),
    cache_seconds=10,
    stored={
        "company": ("cik", "name", "tickers", "sector", "major_group", "industry", "country", "size_class"),
        "company_classification": ("cik", "valid_from", "valid_to", "sic", "country", "size_class"),
        "metric_value": (
            "cik",
            "metric",
            "unit",
            "period",
            "duration_days",
            "calendar_offset",
            "known_from",
            "known_to",
            "value",
            "accession",
        ),
    },
)
