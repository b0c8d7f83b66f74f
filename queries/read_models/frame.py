"""Every company's value for one metric and calendar period."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column
from queries.read_models.members import MembersShown


class FrameRow(msgspec.Struct, frozen=True, kw_only=True):
    """The one value that stands for a company in a calendar period."""

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key of the company.", example=320193)]
    sector: Annotated[str | None, column("SIC division the company counts in, by `members`.", example="manufacturing")]
    industry: Annotated[str | None, column("Four-digit SIC industry it counts in.", example="3571")]
    metric: Annotated[str, column("Key of the metric in the catalogue.", example="revenue")]
    unit: Annotated[str, column("Unit of the value; companies that report in another have no row.", example="USD")]
    period: Annotated[str, column("Calendar period.", example="CY2023")]
    period_end: Annotated[date, column("Last day of the company's own period.", example="2023-09-30")]
    value: Annotated[Decimal, column("The exact value in `unit`.", example=383285000000)]
    accession: Annotated[str, column("Filing that made this value known.", example="0000320193-23-000106")]
    known_from: Annotated[
        datetime, column("Since when the world could know this value (UTC).", example="2023-11-02T22:08:27Z")
    ]
    flags: Annotated[list[str], column("Remarks on quality and derivation.", example=[])]
    members: MembersShown


FRAME = ReadModel(
    name="frame",
    row=FrameRow,
    key=("metric", "period", "cik"),
    cache_seconds=10,
    stored={
        "company": ("cik", "name", "tickers", "sector", "major_group", "industry", "country", "size_class"),
        "company_classification": ("cik", "valid_from", "valid_to", "sic", "country", "size_class"),
        "metric_value": (
            "cik",
            "metric",
            "unit",
            "period",
            "period_end",
            "duration_days",
            "calendar_offset",
            "known_from",
            "known_to",
            "value",
            "accession",
            "flags",
        ),
    },
)
