"""Group aggregates: dirty groups recomputed from `metric_value`, all their members at a time."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel

from commands.sql import load_statements
from projections.copying import copy_lines, escape, line_of
from projections.financials.statistics import summarise
from projections.projection import Version, live_version
from queries.metrics.catalogue import load_catalogue
from queries.read_models.aggregate_fragment import STATISTICS

_SQL = load_statements("projections", "aggregates.sql")

MEMBERS_SHOWN = 5
"""How many members stand in `top` and in `bottom`."""

_REFRESH_LOCK = 0x66_72_65_73_68


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """One refresh: its number, from where to where the figures came, and how many groups were worked out anew."""

    seq: int
    from_position: int
    position: int
    groups: int


class Member(msgspec.Struct, frozen=True, gc=False):
    """One company's value in the groups it belongs to. `company` is its ticker or, without one, its name."""

    cik: int
    value: Decimal
    sector: str | None
    industry: str | None
    company: str


_CELLS_AT_ONCE = 64
"""What one filing changes takes a few statements, and members of all companies in so many cells fit in memory."""

Cell = tuple[str, str]
"""(metric, period)."""

Group = tuple[str, str]
"""(group_by, group_key)."""

PeriodGroup = tuple[str, str, str]
"""(period, group_by, group_key) of one metric."""


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `group_aggregate`."""

    metric: str
    period: str
    group_by: str
    group_key: str
    unit: str
    n: int
    sum: Decimal
    mean: Decimal
    min: Decimal
    p10: Decimal
    p25: Decimal
    median: Decimal
    p75: Decimal
    p90: Decimal
    max: Decimal
    top: list[dict[str, str | int]]
    bottom: list[dict[str, str | int]]


def refresh(connection: psycopg.Connection, *, now: datetime, version: Version | None = None) -> Refresh | None:
    """
    This will work out every dirty group of a version (the live one) anew and say how fresh its figures are.

    Returns None when nothing changed since the last refresh or another worker is at it. One snapshot serves the whole
    refresh: the aggregates, the position they stand at and the values they were made of belong together.
    """
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            version = version or live_version(connection, "figures")
            if not _try_lock(connection, version):
                return None
            version.enter(connection)
            return _refresh(connection, version.version, now)
    except psycopg.errors.SerializationFailure:
        return None
    finally:
        connection.isolation_level = None


def mark_every_group(connection: psycopg.Connection, *, version: Version) -> None:
    """This will have the next refresh of a version work out all of its groups."""
    with connection.transaction():
        version.enter(connection)
        connection.execute(_SQL["mark_every_group_dirty"])


def is_stale(connection: psycopg.Connection, *, version: Version | None = None) -> bool:
    """Whether events were folded in a version (the live one) that its last refresh has not seen."""
    with connection.transaction():
        version = version or live_version(connection, "figures")
        version.enter(connection)
        (dirty,) = _one(connection, _SQL["has_dirty_groups"])
        (position,) = _one(connection, _SQL["snapshot_position"], {"version": version.version})
        _, told, _ = _one(connection, _SQL["freshness"])
    return bool(dirty or position != told)


def is_being_refreshed(connection: psycopg.Connection, *, version: Version | None = None) -> bool:
    """Whether another worker is at it, who will look for newer events after it has let go."""
    with connection.transaction():
        return not _try_lock(connection, version or live_version(connection, "figures"))


def _try_lock(connection: psycopg.Connection, version: Version) -> bool:
    (alone,) = _one(connection, _SQL["try_lock"], {"key": _REFRESH_LOCK + (version.version << 40)})
    return bool(alone)


def _refresh(connection: psycopg.Connection, version: int, now: datetime) -> Refresh | None:
    parameters = {"version": version}
    (position,) = _one(connection, _SQL["snapshot_position"], parameters)
    (parked,) = _one(connection, _SQL["parked_streams"], parameters)
    seq, old_position, old_parked = _one(connection, _SQL["freshness"])
    (dirty,) = _one(connection, _SQL["has_dirty_groups"])
    if not dirty and (position, parked) == (old_position, old_parked):
        return None
    seq += 1
    groups: dict[Cell, set[Group]] = defaultdict(set)
    for metric, period, group_by, group_key in connection.execute(_SQL["consume_dirty_groups"]).fetchall():
        groups[metric, period].add((group_by, group_key))
    for cells in batched(sorted(groups), _CELLS_AT_ONCE):
        _rewrite(connection, {cell: groups[cell] for cell in cells}, seq)
    recorded = connection.execute(_SQL["recorded_at"], {"position": position}).fetchone()
    lag_ms = max(0, round((now - recorded[0]).total_seconds() * 1000)) if recorded else 0
    connection.execute(
        _SQL["set_freshness"],
        {"seq": seq, "position": position, "fresh_at": now, "lag_ms": lag_ms, "parked": parked},
    )
    return Refresh(seq=seq, from_position=old_position, position=position, groups=sum(map(len, groups.values())))


def _one(
    connection: psycopg.Connection, statement: bytes, parameters: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(statement, parameters).fetchone()
    if row is None:
        raise LookupError("the figures' freshness row is missing; run migrate")
    return row


def _rewrite(connection: psycopg.Connection, wanted: Mapping[Cell, Set[Group]], seq: int) -> None:
    members = _members(connection, sorted(wanted))
    ordered = sorted((*cell, *group) for cell, groups in wanted.items() for group in groups)
    names = ("metric", "period", "group_by", "group_key")
    connection.execute(_SQL["delete_aggregates"], _columns_of(names, ordered))
    rows = (
        row
        for (metric, period), groups in sorted(wanted.items())
        for row in aggregates_of(
            metric,
            _unit_of(metric),
            {period: members[metric, period]},
            {(period, group_by, group_key) for group_by, group_key in groups},
        )
    )
    copy_lines(connection, _SQL["copy_aggregates"], (line_of(_columns(row)) for row in rows))
    changed = sorted({(metric, group_by, period) for metric, period, group_by, _ in ordered})
    connection.execute(_SQL["record_changes"], {"seq": seq, **_columns_of(("metric", "group_by", "period"), changed)})


def _members(connection: psycopg.Connection, cells: Sequence[Cell]) -> dict[Cell, list[Member]]:
    """The one value of each company that stands for each calendar period: the nearest to it, then the newest known."""
    best: dict[Cell, dict[int, tuple[tuple[object, ...], Member]]] = {cell: {} for cell in cells}
    parameters = _columns_of(("metric", "period"), cells) | {"unit": [_unit_of(metric) for metric, _ in cells]}
    for metric, period, cik, value, distance, known_from, days, sector, industry, company in connection.execute(
        _SQL["members"], parameters
    ):
        rank = nearest_first(distance, known_from, days)
        of_cell = best[metric, period]
        held = of_cell.get(cik)
        if held is None or rank < held[0]:
            of_cell[cik] = rank, Member(cik, value, sector, industry, company)
    return {cell: [member for _, member in of_cell.values()] for cell, of_cell in best.items()}


def _unit_of(metric: str) -> str:
    return load_catalogue().by_key()[metric].unit


def _columns_of(names: Sequence[str], rows: Sequence[tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def nearest_first(distance: int, known_from: datetime, days: int) -> tuple[int, float, int]:
    """The order in which a company's own periods claim a calendar period."""
    return distance, -known_from.timestamp(), -days


def aggregates_of(
    metric: str, unit: str, members: dict[str, list[Member]], wanted: Iterable[PeriodGroup]
) -> Iterator[Aggregate]:
    """This will describe each wanted group that has members."""
    grouped: dict[PeriodGroup, list[Member]] = defaultdict(list)
    for period, everyone in members.items():
        for member in everyone:
            grouped[period, "all", "all"].append(member)
            if member.sector is not None:
                grouped[period, "sector", member.sector].append(member)
            if member.industry is not None:
                grouped[period, "industry", member.industry].append(member)
    for group in sorted(wanted):
        if group in grouped:
            yield _aggregate(metric, unit, group, grouped[group])


def _aggregate(metric: str, unit: str, group: PeriodGroup, members: list[Member]) -> Aggregate:
    period, group_by, group_key = group
    ascending = sorted(members, key=lambda member: (member.value, member.cik))
    descending = sorted(members, key=lambda member: (-member.value, member.cik))
    statistics = summarise([member.value for member in ascending])
    return Aggregate(
        metric=metric,
        period=period,
        group_by=group_by,
        group_key=group_key,
        unit=unit,
        n=statistics.n,
        **{name: getattr(statistics, name) for name in STATISTICS},
        top=[_shown(member) for member in descending[:MEMBERS_SHOWN]],
        bottom=[_shown(member) for member in ascending[:MEMBERS_SHOWN]],
    )


def _shown(member: Member) -> dict[str, str | int]:
    return {"company": member.company, "cik": member.cik, "value": format(member.value, "f")}


def _columns(row: Aggregate) -> tuple[str, ...]:
    return (
        row.metric,
        row.period,
        row.group_by,
        row.group_key,
        row.unit,
        str(row.n),
        *(format(getattr(row, name), "f") for name in STATISTICS),
        escape(msgspec.json.encode(row.top).decode()),
        escape(msgspec.json.encode(row.bottom).decode()),
    )
