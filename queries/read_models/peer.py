"""The companies of a group that are nearest to one in size."""

from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column
from queries.read_models.frame import FRAME
from queries.read_models.members import MembersShown


class PeerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company of the same group, with its size beside that of the company asked about."""

    company: Annotated[str, column("Ticker of the peer, or its name where it has none.", example="DELL")]
    cik: Annotated[int, column("Central Index Key of the peer.", example=1571996)]
    group_by: Annotated[str, column("How companies are grouped.", example="industry")]
    group: Annotated[str, column("The group both are in.", example="3571")]
    metric: Annotated[str, column("Key of the metric that tells the size.", example="revenue")]
    unit: Annotated[str, column("Unit of the sizes.", example="USD")]
    period: Annotated[str, column("Calendar period of the sizes.", example="CY2023")]
    period_end: Annotated[date, column("Last day of the peer's own period.", example="2024-02-02")]
    value: Annotated[Decimal, column("The peer's size.", example=88425000000)]
    own_value: Annotated[Decimal, column("The size of the company asked about.", example=383285000000)]
    ratio: Annotated[Decimal, column("The peer's size over that of the company asked about.", example=0.230702993334)]
    accession: Annotated[str, column("Filing that made the peer's value known.", example="0001571996-24-000015")]
    flags: Annotated[list[str], column("Remarks on quality and derivation of the peer's value.", example=[])]
    members: MembersShown


PEER = ReadModel(name="peer", row=PeerRow, key=("metric", "period", "cik"), cache_seconds=10, stored=FRAME.stored)
