"""Companies that go on under another CIK."""

from collections.abc import Iterable
from datetime import date

import msgspec

from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("lineage.sql")


class Predecessor(msgspec.Struct, frozen=True, kw_only=True):
    """What a company filed as: periods that end before the day `before` stand under the CIK `origin`."""

    cik: int
    origin: int
    before: date


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One change of CIK, with what the companies on both sides are called."""

    cik: int
    predecessor_cik: int
    effective_on: date
    successor: str
    predecessor: str


async def predecessors_of(snapshot: Snapshot, ciks: Iterable[int]) -> list[Predecessor]:
    """This will list every predecessor of some companies, and theirs, the last one first."""
    return await snapshot.fetch(Predecessor, _SQL["predecessors"], {"ciks": list(ciks)})


async def links_of(snapshot: Snapshot, ciks: Iterable[int]) -> list[Link]:
    """This will list the changes of CIK some companies took part in, the first one first."""
    return await snapshot.fetch(Link, _SQL["links"], {"ciks": list(ciks)})
