"""Where a company stands in each of the groups it belongs to."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column
from queries.read_models.members import MembersShown
from queries.read_models.ranking import RANKING


class StandingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company's place in one group for one metric and period."""

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key of the company.", example=320193)]
    metric: Annotated[str, column("Key of the metric in the catalogue.", example="net_margin")]
    unit: Annotated[str, column("Unit of the value and of what is in the same terms.", example="pure")]
    period: Annotated[str | None, column("Calendar period; null where the company has none at all.", example="CY2023")]
    period_end: Annotated[date | None, column("Last day of the company's own period.", example="2023-09-30")]
    value: Annotated[
        Decimal | None, column("The exact value; null where there is none (see reason).", example=0.253062342643)
    ]
    group_by: Annotated[str, column("How companies are grouped.", example="sector")]
    group: Annotated[
        str | None, column("The company's group; null where it is in none of this kind.", example="manufacturing")
    ]
    rank: Annotated[
        int | None, column("1 for the largest value; equal values share a rank, the next are left out.", example=212)
    ]
    n: Annotated[int | None, column("Companies of the group that have a value.", example=2917)]
    percentile: Annotated[
        Decimal | None, column("100 x the share of these whose value is not larger.", example=92.766541)
    ]
    zscore: Annotated[
        Decimal | None,
        column(
            "Standard deviations (of the whole group) from its mean; null where all its values are equal.",
            example=1.204,
        ),
    ]
    median: Annotated[Decimal | None, column("Median of the group.", example=0.041)]
    from_median: Annotated[Decimal | None, column("The value less the median.", example=0.212062342643)]
    accession: Annotated[str | None, column("Filing that made the value known.", example="0000320193-23-000106")]
    known_from: Annotated[
        datetime | None, column("Since when the world could know the value (UTC).", example="2023-11-02T22:08:27Z")
    ]
    flags: Annotated[list[str], column("Remarks on quality and derivation of the value.", example=[])]
    members: MembersShown
    reason: Annotated[
        str | None,
        column(
            "Why there is no place: the reason of an absent value as in series, other_unit (it has one in another "
            "unit), counted_under_successor (the company it goes on as has one, and counts), not_yet_counted (a filing "
            "that has come in states one: ask again in a moment), or no_group.",
            example=None,
        ),
    ]


STANDING = ReadModel(
    name="standing",
    row=StandingRow,
    key=("cik", "metric", "group_by"),
    cache_seconds=10,
    stored=RANKING.stored,
)
