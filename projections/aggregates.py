"""
Group aggregates: what dirty companies stand for, and from that every group they are or were in.

Large groups are followed from change to change, the others are worked out from all of their members; where a good part
of all companies is dirty, everything is worked out anew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel

from commands.sql import load_statements
from projections.projection import NotMigrated, Version, live_version
from queries.metrics.catalogue import Metric, load_catalogue
from queries.read_models.aggregate_fragment import MEMBERS_SHOWN

_SQL = load_statements("projections", "aggregates.sql")

_REFRESH_LOCK = 0x66_72_65_73_68

_MEMBERS_AT_ONCE = 500_000
"""The values of all companies in so many cells are sorted in memory."""

BULK_SHARE = 8
"""Where one in so many is dirty, all are looked at."""

FOLLOWED_FROM = 32
"""Groups with fewer members are not followed."""

STEP_COST = 2
"""A step from a member to its neighbour in the group, beside a look at one member, as a large group is followed."""


class Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """One refresh: its number, from where to where the figures came, and how many groups were worked out anew."""

    seq: int
    from_position: int
    position: int
    groups: int


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


def is_stale(connection: psycopg.Connection, *, version: Version | None = None) -> bool:
    """Whether events were folded in a version (the live one) that its last refresh has not seen."""
    with connection.transaction():
        version = version or live_version(connection, "figures")
        version.enter(connection)
        (dirty,) = _one(connection, _SQL["is_dirty"])
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
    (dirty,) = _one(connection, _SQL["is_dirty"])
    if not dirty and (position, parked) == (old_position, old_parked):
        return None
    seq += 1
    groups = _rewrite(connection, seq) if dirty else 0
    connection.execute(_SQL["gather_filing_counts"])
    recorded = connection.execute(_SQL["recorded_at"], {"position": position}).fetchone()
    lag_ms = max(0, round((now - recorded[0]).total_seconds() * 1000)) if recorded else 0
    connection.execute(
        _SQL["set_freshness"],
        {"seq": seq, "position": position, "fresh_at": now, "lag_ms": lag_ms, "parked": parked},
    )
    return Refresh(seq=seq, from_position=old_position, position=position, groups=groups)


def _one(
    connection: psycopg.Connection, statement: bytes, parameters: Mapping[str, Any] | None = None
) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(statement, parameters).fetchone()
    if row is None:
        raise NotMigrated("the figures' freshness row is missing")
    return row


def place_everybody(connection: psycopg.Connection) -> None:
    """This will put every company of a version that is being built, entered before, into its groups and lines."""
    run = partial(_run, connection, {})
    run("begin_refresh", "take_everybody", "find_successors", "name_groups", "find_places", "join_groups")


def work_out_metric(connection: psycopg.Connection, metric: Metric) -> None:
    """
    This will work out what companies stand for by one metric, and its groups, in a version that is being built.

    The version is entered, its companies are in their groups, and nothing of the metric is there.
    """
    parameters = _parameters([metric], seq=1)
    run = partial(_run, connection, parameters)
    run("begin_refresh", "sort_in_memory", "take_everybody")
    run("fill_frames", "find_all_cells", "count_found", "cut_in_pieces")
    _write_groups(connection, parameters)
    run("record_changes")


def count_filled(connection: psycopg.Connection) -> None:
    """This will tell the planner how much there is now of what was empty before."""
    _run(connection, {}, "count_filled")


def _rewrite(connection: psycopg.Connection, seq: int) -> int:
    parameters = _parameters(load_catalogue().metrics, seq=seq)
    run = partial(_run, connection, parameters)
    run("begin_refresh", "sort_in_memory", "take_marks", "find_successors", "mark_predecessors")
    (is_bulk,) = _one(connection, _SQL["is_bulk"], parameters)
    run("name_groups", "find_places", "leave_groups", "join_groups")
    if is_bulk:
        run("clear_frames", "fill_frames", "count_filled", "find_all_cells")
    else:
        run("mark_cells", "count_marks", "follow_frames", "find_changed_cells", "find_deltas", "find_groups")
    run("count_found", "cut_in_pieces", "delete_cells", "delete_groups")
    groups = run("follow_groups") + _write_groups(connection, parameters)
    run("record_changes", "forget_empty_groups")
    return groups


def _write_groups(connection: psycopg.Connection, parameters: Mapping[str, Any]) -> int:
    """Write the groups that are worked out from all of their members, and tell how many."""
    pieces = connection.execute(_SQL["pieces"]).fetchall()
    return sum(_run(connection, {**parameters, "piece": piece}, "write_groups") for (piece,) in pieces)


def _parameters(metrics: Sequence[Metric], *, seq: int) -> dict[str, Any]:
    return {
        "metrics": [metric.key for metric in metrics],
        "units": [metric.unit for metric in metrics],
        "bulk_share": BULK_SHARE,
        "members_at_once": _MEMBERS_AT_ONCE,
        "followed_from": FOLLOWED_FROM,
        "step_cost": STEP_COST,
        "shown": MEMBERS_SHOWN,
        "seq": seq,
    }


def _run(connection: psycopg.Connection, parameters: Mapping[str, Any], *statements: str) -> int:
    return sum(connection.execute(_SQL[statement], parameters).rowcount for statement in statements)
