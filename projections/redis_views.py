"""
The group aggregates in Redis, as ready-to-send bytes.

A projection of `group_aggregate` with a version of its own, `seq`: absolute values behind one compare-and-set, so
that a slow writer never takes Redis back. Whatever happens to Redis, the tables fill it again under a new epoch.

Keys, all in one slot: `{ff}:epoch` (the live one), `{ff}:epochs` (how many were begun), and for the epoch E
`{ff}:E:seq`, `{ff}:E:meta`, `{ff}:E:agg:METRIC:GROUP_BY:PERIOD`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import resources
from itertools import batched, groupby
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import DictRow, dict_row
from redis import Redis

from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from queries.read_models.aggregate_fragment import render_fragment

_SQL = load_statements("projections", "redis_views.sql")
_WRITE = resources.files("projections").joinpath("redis_views.lua").read_text("utf-8")

PREFIX = "{ff}"
EPOCH_KEY = f"{PREFIX}:epoch"
EPOCHS_KEY = f"{PREFIX}:epochs"

MAX_CHANGES_IN_PLACE = 2_000
"""More changed fragments than this are written as a new epoch, in pieces, instead of in one script."""

_LOCK = 0x72_65_64_69_73
_PIECE = 500


def fragment_key(epoch: int, metric: str, group_by: str, period: str) -> str:
    """The key of one fragment."""
    return f"{PREFIX}:{epoch}:agg:{metric}:{group_by}:{period}"


def seq_key(epoch: int) -> str:
    """The key of the refresh an epoch has reached."""
    return f"{PREFIX}:{epoch}:seq"


def meta_key(epoch: int) -> str:
    """The key of what an answer from this epoch says about its freshness."""
    return f"{PREFIX}:{epoch}:meta"


def follow(connection: psycopg.Connection, redis: Redis) -> int:
    """
    This will bring Redis to the state of the aggregate tables and count the fragments written.

    Returns 0 when nothing is new. A Redis that lost data, or is ahead of the tables, is loaded anew by one worker
    at a time; changes in place need no lock, the compare-and-set refuses the older of two writers.
    """
    schema = PROJECTIONS["figures"].schema
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            connection.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(schema)))
            return _follow(connection, redis)
    finally:
        connection.isolation_level = None


def _follow(connection: psycopg.Connection, redis: Redis) -> int:
    with connection.cursor(row_factory=dict_row) as cursor:
        freshness = cursor.execute(_SQL["freshness"]).fetchone()
        if freshness is None:
            raise LookupError("the figures' freshness row is missing; run migrate")
        epoch = _number(redis.get(EPOCH_KEY))
        held = None if epoch is None else _number(redis.get(seq_key(epoch)))
        if epoch is None or held is None or held > freshness["seq"]:
            return _load_epoch(cursor, redis, freshness)
        if held == freshness["seq"]:
            return 0
        changes = cursor.execute(_SQL["count_changes"], {"after": held}).fetchone()
        if changes is not None and changes["count"] > MAX_CHANGES_IN_PLACE:
            return _load_epoch(cursor, redis, freshness)
        fragments = dict(_fragments(epoch, cursor.execute(_SQL["changed_rows"], {"after": held})))
        _write(redis, epoch, freshness, fragments)
        return len(fragments)


def _load_epoch(cursor: psycopg.Cursor[DictRow], redis: Redis, freshness: Mapping[str, Any]) -> int:
    """Fill a new epoch out of readers' sight, then point to it."""
    lock = cursor.execute(_SQL["try_lock"], {"key": _LOCK}).fetchone()
    if lock is None or not lock["locked"]:
        return 0
    epoch = int(redis.incr(EPOCHS_KEY))
    count = 0
    for piece in batched(_fragments(epoch, cursor.execute(_SQL["all_rows"])), _PIECE):
        redis.mset(dict(piece))
        count += len(piece)
    _write(redis, epoch, freshness, {})
    redis.set(EPOCH_KEY, str(epoch))
    _drop_other_epochs(redis, epoch)
    return count


def _write(redis: Redis, epoch: int, freshness: Mapping[str, Any], fragments: Mapping[str, bytes]) -> None:
    redis.eval(
        _WRITE,
        2 + len(fragments),
        seq_key(epoch),
        meta_key(epoch),
        *fragments,
        freshness["seq"],
        freshness_text(freshness),
        *fragments.values(),
    )


def freshness_text(freshness: Mapping[str, Any]) -> str:
    """The members of an answer's `meta` that tell its freshness, as JSON without braces."""
    fresh_at: datetime = freshness["fresh_at"]
    members = {
        "position": freshness["position"],
        "fresh_at": fresh_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "lag_ms": freshness["lag_ms"],
        "complete": freshness["parked"] == 0,
    }
    return msgspec.json.encode(members).decode()[1:-1]


def _fragments(epoch: int, rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    for (metric, group_by, period), found in groupby(rows, lambda row: (row["metric"], row["group_by"], row["period"])):
        groups = [row for row in found if row["group_key"] is not None]
        yield fragment_key(epoch, metric, group_by, period), render_fragment(groups) if groups else b""


def _drop_other_epochs(redis: Redis, epoch: int) -> None:
    kept = f"{PREFIX}:{epoch}:".encode()
    old = (key for key in redis.scan_iter(f"{PREFIX}:*:*", count=1_000) if not key.startswith(kept))
    for piece in batched(old, _PIECE):
        redis.unlink(*piece)


def _number(raw: Any) -> int | None:
    return None if raw is None else int(raw)
