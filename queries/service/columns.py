"""
What companies stand for by a metric in a period, in its order, kept in memory as long as it stays as it is.

A column holds the members of one group of a cell, ascending by (value, CIK). A condition on thousands of companies is a
search in columns.

Columns are kept and found by Note [what is kept of a cell is never older than the tables] in `cells.py`. Without Redis,
and as of an instant, they last as long as the question.
"""

import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import overload

import msgspec

from queries.connections import ReadSources
from queries.kept import Kept
from queries.metrics.catalogue import load_catalogue
from queries.metrics.groupings import EVERYBODY, GroupBy
from queries.read_models.members import Members
from queries.redis_reader import EPOCH_KEY
from queries.service.cells import Cell, unchanged_since
from queries.service.group_figures import figures_of, percentile, zscore_in
from queries.service.members import not_for, statements_by_members
from queries.service.screen_grammar import Measure
from queries.tables import Snapshot

_SQL = statements_by_members("columns.sql")


class Column:
    """One group of a cell: the CIKs of its members, and beside them their values, or another measure, ascending."""

    def __init__(self, ciks: Sequence[int], values: Sequence[Decimal]) -> None:
        self.ciks = ciks
        self.values = values

    def measured(self, measure: Measure | None) -> "Column | None":
        """The members by where their values stand in the group; None where all are equal and have no z-score."""
        values, n = self.values, len(self.values)
        match measure:
            case None:
                return self
            case "percentile":
                return Column(self.ciks, _Computed(n, lambda at: percentile(bisect_right(values, values[at]), n=n)))
            case "rank":
                rank = _Computed(n, lambda at: Decimal(n + 1 - bisect_right(values, values[n - 1 - at])))
                return Column(self.ciks[::-1], rank)
            case "zscore":
                zscore = self._zscore
                return zscore and Column(self.ciks, _Computed(n, lambda at: zscore(values[at])))

    @cached_property
    def _zscore(self) -> Callable[[Decimal], Decimal] | None:
        return zscore_in(figures_of(self.values))


class _Computed(Sequence[Decimal]):
    """Values that are worked out where they are looked at."""

    def __init__(self, n: int, compute: Callable[[int], Decimal]) -> None:
        self._n = n
        self._compute = compute

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> Decimal: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Decimal]: ...
    def __getitem__(self, at: int | slice) -> Decimal | Sequence[Decimal]:
        if isinstance(at, slice):
            return [self._compute(each) for each in range(*at.indices(self._n))]
        if not 0 <= at < self._n:
            raise IndexError(at)
        return self._compute(at)


class Columns:
    """The columns of a cell, one for each group that has members; its length is how many members they have together."""

    def __init__(self, groups: Sequence[Column]) -> None:
        self.groups = groups

    def __len__(self) -> int:
        return sum(len(group.ciks) for group in self.groups)


class _Everybody(msgspec.Struct, frozen=True):
    ciks: list[int]
    values: list[Decimal]


class _Group(msgspec.Struct, frozen=True):
    key: str
    ciks: list[int]


async def epoch_of_columns(sources: ReadSources) -> str | None:
    """The epoch columns are kept under, to be read before the snapshot; None where they are not kept."""
    found = await sources.redis.read(EPOCH_KEY)
    return found[0].decode() if found is not None and found[0] is not None else None


async def read_columns(
    sources: ReadSources,
    snapshot: Snapshot,
    cells: Iterable[Cell],
    *,
    epoch: str | None,
    members: Members,
    as_of: datetime | None,
) -> dict[Cell, Columns]:
    """This will give the columns of each cell, from where they are kept or from the tables."""
    wanted = list(dict.fromkeys(cells))
    since = await unchanged_since(snapshot, {*wanted, *map(_everybody_in, wanted)})
    reader = _Reader(sources, snapshot, since, epoch=epoch, members=members, as_of=as_of)
    return {cell: await reader.columns(cell) for cell in wanted}


async def read_groups(
    snapshot: Snapshot, group_by: GroupBy, *, members: Members, as_of: datetime | None
) -> dict[str, list[int]]:
    """The CIKs of the companies in each group of a kind, by its key."""
    found = await snapshot.fetch(_Group, _SQL[members]["groups"], {"group_by": group_by, "as_of": as_of})
    return {group.key: group.ciks for group in found}


class _Reader:
    def __init__(
        self,
        sources: ReadSources,
        snapshot: Snapshot,
        since: Mapping[Cell, int],
        *,
        epoch: str | None,
        members: Members,
        as_of: datetime | None,
    ) -> None:
        lasting = epoch is not None and as_of is None
        self._kept: Kept[tuple[str | None, int, int, Cell], Columns] = (
            sources.columns if lasting else Kept(most=sys.maxsize)
        )
        self._snapshot = snapshot
        self._epoch = epoch
        self._members = members
        self._as_of = as_of
        self._since = since
        self._groups: dict[GroupBy, dict[int, str]] = {}

    async def columns(self, cell: Cell) -> Columns:
        key = (self._epoch, self._snapshot.version, self._since[cell], cell)
        return await self._kept.get(key, lambda: self._read(cell))

    async def _read(self, cell: Cell) -> Columns:
        if cell.group_by == EVERYBODY:
            return await self._read_everybody(cell)
        everybody = await self.columns(_everybody_in(cell))
        groups = await self._group_of_each(cell.group_by)
        members: dict[str, tuple[list[int], list[Decimal]]] = defaultdict(lambda: ([], []))
        for column in everybody.groups:
            for group, cik, value in zip(map(groups.get, column.ciks), column.ciks, column.values, strict=True):
                if group is not None:
                    ciks, values = members[group]
                    ciks.append(cik)
                    values.append(value)
        return Columns([Column(ciks, values) for ciks, values in members.values()])

    async def _read_everybody(self, cell: Cell) -> Columns:
        statement = _SQL[self._members]["everybody" if self._as_of is None else "everybody_as_of"]
        asked = {
            "metric": cell.metric,
            "period": cell.period,
            "unit": cell.unit,
            "as_of": self._as_of,
            "not_for": not_for(load_catalogue().by_key()[cell.metric]),
        }
        (found,) = await self._snapshot.fetch(_Everybody, statement, asked)
        return Columns([Column(found.ciks, found.values)] if found.ciks else [])

    async def _group_of_each(self, group_by: GroupBy) -> dict[int, str]:
        """The group of each company that is in one of a kind."""
        if group_by not in self._groups:
            groups = await read_groups(self._snapshot, group_by, members=self._members, as_of=self._as_of)
            self._groups[group_by] = {cik: key for key, ciks in groups.items() for cik in ciks}
        return self._groups[group_by]


def _everybody_in(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, group_by=EVERYBODY)
