"""
The companies of a cell in the order of their values, as sorted sets in Redis, filled when somebody asks for them.

The set of a cell holds a member for each company in a group: group, value and CIK as text that sorts byte by byte as
they do, all with the score 0, since a score is a float and not exact. Beside the set a hash holds what each group adds
up to and, under the empty name, the refresh the set was filled at and how many members it has. Keys:
`{ff}:E:rank:vV:METRIC:GROUP_BY:PERIOD`, the same with `:groups`, and while it is filled `:filling` and `:new:…`; of all
sets `{ff}:E:rank:ages` and `{ff}:E:rank:sizes`, by which the oldest make room. All go with their epoch E.

Sets are filled and read by Note [what is kept of a cell is never older than the tables] in `cells.py`. The epoch is
held against that of Redis again when a set is shown and when it is read, and the rows of a page against the snapshot;
where they differ the tables answer.
"""

import secrets
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from queries.connections import ReadSources
from queries.redis_budget import SETS_BYTES
from queries.redis_reader import EPOCH_KEY
from queries.service.cells import Cell, unchanged_since
from queries.service.frame_query import Order
from queries.service.group_figures import GroupFigures, Place
from queries.service.sortable_decimal import from_sortable, sortable
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("rank_sets.sql")
_LUA = load_statements("rank_sets.lua")

LIVES_MS = 15 * 60 * 1000
"""How long a set is kept after it was filled, whether it is asked for or not."""

PAUSE_MS = 2_000
"""How long after the filling of a cell began it is not filled again, whatever changes."""

_ABANDONED_MS = 60_000
_PART = 250
_OTHER_EPOCH = b"other epoch"
_CIK_DIGITS = 10


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """A company on a page: its value and where it stands."""

    cik: int
    value: Decimal
    place: Place


class Stood(msgspec.Struct, frozen=True, kw_only=True):
    """Whose place is asked for: a company's value in one group of a cell, which is as it is since a refresh."""

    cell: Cell
    unchanged_since: int
    group: str
    value: Decimal


class _Member(msgspec.Struct, frozen=True, kw_only=True):
    group_key: str
    value: Decimal
    cik: int


class _GroupFigures(GroupFigures, frozen=True, kw_only=True):
    group_key: str


async def ranked_page(
    sources: ReadSources,
    snapshot: Snapshot,
    cell: Cell,
    *,
    group: str,
    order: Order,
    after: tuple[Decimal, int] | None,
    limit: int,
) -> list[Ranked] | None:
    """
    This will give up to `limit` companies of a group that follow one (value, CIK) in an order; None where the set does
    not hold what the snapshot does, and is filled for the next time.
    """
    epoch = await sources.redis.live_epoch()
    if epoch is None:
        return None
    since = await unchanged_since(snapshot, [cell])
    key = _key(epoch, snapshot.version, cell)
    found = await sources.redis.run(
        _LUA["page"],
        [EPOCH_KEY, key, f"{key}:groups"],
        [epoch, since[cell], group, order, "" if after is None else _tail(*after), limit],
    )
    if not _answered(sources, found):
        _want(sources, cell)
        return None
    figures, members, index, below, not_larger = found
    ascending = [_company_in(member, group) for member in (members if order == "asc" else reversed(members))]
    ranked = _placed(ascending, _read_figures(figures), index=index, below=below, not_larger=not_larger)
    return ranked if order == "asc" else ranked[::-1]


async def places_in_sets(sources: ReadSources, asked: Sequence[Stood], *, version: int) -> dict[Stood, Place]:
    """
    This will give the places values have in those sets that hold what the tables do; the others are filled.

    `version` is that of the figures the values were read from.
    """
    epoch = await sources.redis.live_epoch()
    if epoch is None or not asked:
        return {}
    keys = [EPOCH_KEY]
    arguments: list[str | int] = [epoch]
    for stood in asked:
        key = _key(epoch, version, stood.cell)
        keys += [key, f"{key}:groups"]
        arguments += [stood.unchanged_since, stood.group, sortable(stood.value)]
    found = await sources.redis.run(_LUA["places"], keys, arguments)
    places = found if _answered(sources, found) else [None] * len(asked)
    for stood, place in zip(asked, places, strict=True):
        if place is None:
            _want(sources, stood.cell)
    return {
        stood: Place(group=_read_figures(place[0]), below=place[1], not_larger=place[2])
        for stood, place in zip(asked, places, strict=True)
        if place is not None
    }


def _want(sources: ReadSources, cell: Cell) -> None:
    if sources.redis.epoch is not None:
        sources.background.begin(cell, partial(fill, sources, cell))


async def fill(sources: ReadSources, cell: Cell) -> None:
    """This will fill the set of a cell anew, unless somebody else is at it or was a moment ago."""
    epoch = await sources.redis.live_epoch()
    if epoch is None:
        return
    async with sources.snapshot() as snapshot:
        key = _key(epoch, snapshot.version, cell)
        if await sources.redis.run(_LUA["begin_filling"], [EPOCH_KEY, f"{key}:filling"], [epoch, PAUSE_MS]) != 1:
            return
        since = await unchanged_since(snapshot, [cell])
        figures = await snapshot.fetch(_GroupFigures, _SQL["figures"], msgspec.structs.asdict(cell))
        filled = f"{key}:new:{secrets.token_hex(6)}"
        async for part in snapshot.fetch_in_parts(_Member, _SQL["members"], msgspec.structs.asdict(cell), size=_PART):
            members = [f"{member.group_key}\0{_tail(member.value, member.cik)}" for member in part]
            if await sources.redis.run(_LUA["add_members"], [filled], [_ABANDONED_MS, *members]) is None:
                return
    if not figures:
        return
    stated: list[str | bytes] = []
    for group in figures:
        stated += [group.group_key, msgspec.json.encode(group)]
    await sources.redis.run(
        _LUA["show_filled"],
        [EPOCH_KEY, filled, key, f"{key}:groups", f"{{ff}}:{epoch}:rank:ages", f"{{ff}}:{epoch}:rank:sizes"],
        [epoch, since[cell], sum(group.n for group in figures), LIVES_MS, SETS_BYTES, *stated],
    )


def _key(epoch: str, version: int, cell: Cell) -> str:
    return f"{{ff}}:{epoch}:rank:v{version}:{cell.metric}:{cell.group_by}:{cell.period}"


def _tail(value: Decimal, cik: int) -> str:
    return f"{sortable(value)}{cik:0{_CIK_DIGITS}d}"


def _company_in(member: bytes, group: str) -> tuple[Decimal, int]:
    tail = member.decode().removeprefix(f"{group}\0")
    return from_sortable(tail[:-_CIK_DIGITS]), int(tail[-_CIK_DIGITS:])


def _answered(sources: ReadSources, found: Any) -> bool:
    """Whether a set answered; an epoch that has ended is forgotten."""
    if found == _OTHER_EPOCH:
        sources.redis.epoch = None
    return found is not None and found != _OTHER_EPOCH


def _read_figures(raw: bytes) -> GroupFigures:
    return msgspec.json.decode(raw, type=GroupFigures)


def _placed(
    ascending: Sequence[tuple[Decimal, int]], group: GroupFigures, *, index: int, below: int, not_larger: int
) -> list[Ranked]:
    """
    Number companies that follow one another: `index` members stand before the first, `below` of them have a smaller
    value than it, and `not_larger` members have no larger value than the last.
    """
    count = len(ascending)
    smaller, no_larger = [below] * count, [not_larger] * count
    for at in range(1, count):
        same = ascending[at][0] == ascending[at - 1][0]
        smaller[at] = smaller[at - 1] if same else index + at
    for at in range(count - 2, -1, -1):
        same = ascending[at][0] == ascending[at + 1][0]
        no_larger[at] = no_larger[at + 1] if same else index + at + 1
    return [
        Ranked(cik=cik, value=value, place=Place(group=group, below=smaller[at], not_larger=no_larger[at]))
        for at, (value, cik) in enumerate(ascending)
    ]
