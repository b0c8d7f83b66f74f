"""How far the figures have come."""

from datetime import date, datetime
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column


class DataStatusRow(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset: its version, how fresh it is and how much it holds."""

    dataset: Annotated[str, column("Name of the dataset.", example="figures")]
    version: Annotated[int, column("Version of the rules the dataset was worked out by.", example=1)]
    position: Annotated[int, column("Every event up to this position is in the figures.", example=48210)]
    fresh_at: Annotated[
        datetime, column("When that position became readable (UTC).", example="2026-11-20T09:30:00.123456Z")
    ]
    lag_ms: Annotated[
        int, column("Time from the recording of that event until it was readable.", example=180, unit="ms")
    ]
    complete: Annotated[
        bool, column("False while some company's events wait for an operator; others are not affected.", example=True)
    ]
    parked: Annotated[int, column("Companies whose events wait.", example=0)]
    companies: Annotated[int, column("Companies known.", example=48)]
    filings: Annotated[int, column("Filings known.", example=2310)]
    latest_filed_on: Annotated[date | None, column("Filing day of the latest filing.", example="2026-11-19")]
    fast_path: Annotated[
        str, column("`live` when aggregates come from memory, `down` when they come from the tables.", example="live")
    ]


DATA_STATUS = ReadModel(
    name="data_status",
    row=DataStatusRow,
    key=("dataset",),
    cache_seconds=1,
    stored={
        "company": ("cik",),
        "filing": ("accession", "filed_on"),
        "freshness": ("position", "fresh_at", "lag_ms", "parked"),
    },
)
