"""The companies of a group in the order of one metric."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column
from queries.read_models.frame import FRAME
from queries.read_models.members import MembersShown


class RankingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company's place among all of its group that have a value."""

    rank: Annotated[
        int, column("Place in the order asked for; equal values share one, the next are left out.", example=1)
    ]
    n: Annotated[int, column("Companies of the group that have a value.", example=2917)]
    percentile: Annotated[
        Decimal, column("100 x the share of these whose value is not larger, whatever the order.", example=100)
    ]
    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key of the company.", example=320193)]
    group_by: Annotated[str, column("How companies are grouped.", example="sector")]
    group: Annotated[str, column("The group the companies are ranked in.", example="manufacturing")]
    metric: Annotated[str, column("Key of the metric in the catalogue.", example="revenue")]
    unit: Annotated[str, column("Unit of the value; companies that report in another are not ranked.", example="USD")]
    period: Annotated[str, column("Calendar period.", example="CY2023")]
    period_end: Annotated[date, column("Last day of the company's own period.", example="2023-09-30")]
    value: Annotated[Decimal, column("The exact value in `unit`.", example=383285000000)]
    accession: Annotated[str, column("Filing that made this value known.", example="0000320193-23-000106")]
    known_from: Annotated[
        datetime, column("Since when the world could know this value (UTC).", example="2023-11-02T22:08:27Z")
    ]
    flags: Annotated[list[str], column("Remarks on quality and derivation.", example=[])]
    members: MembersShown


RANKING = ReadModel(
    name="ranking",
    row=RankingRow,
    key=("metric", "period", "group_by", "group", "cik"),
    cache_seconds=10,
    stored={**FRAME.stored, "aggregate_change": ("metric", "group_by", "period", "seq")},
)
