"""How an installation stands: the log, each projection and shard, what is parked, and Redis."""

from datetime import datetime

import msgspec
import psycopg
from psycopg.rows import dict_row
from redis import Redis
from redis.exceptions import RedisError

from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from projections.parking import ParkedStream, is_paused, parked_streams
from projections.projection import live_version
from projections.redis_views import EPOCH_KEY, seq_key
from projections.rules import is_of_other_rules

_SQL = load_statements("projections", "status.sql")


class ShardStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of one projection; `lag_events` and `lag_seconds` are 0 when it has folded everything."""

    name: str
    version: int
    state: str
    shard: int
    shard_seq: int
    head_seq: int
    position: int
    lag_events: int
    lag_seconds: float


class RedisStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which epoch Redis serves and how far it has come; `reachable` is false when it does not answer.

    `used_bytes` is all the memory the server uses.
    """

    reachable: bool
    used_bytes: int | None = None
    epoch: int | None = None
    seq: int | None = None
    behind: int | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """
    The state of a whole installation at one instant.

    `paused` when too many streams are parked to go on; `of_other_rules` when the live figures were worked out by other
    rules than this release's.
    """

    head: int
    pending: int
    oldest_pending_at: datetime | None
    position: int
    seq: int
    fresh_at: datetime
    lag_ms: int
    companies: int
    filings: int
    facts: int
    aggregates: int
    shards: list[ShardStatus]
    parked: list[ParkedStream]
    paused: bool
    of_other_rules: bool
    redis: RedisStatus


def read_status(connection: psycopg.Connection, redis: Redis) -> Status:
    """This will read the status of the installation behind a connection and a Redis."""
    with connection.transaction():
        live = live_version(connection, "figures")
        live.enter(connection)
        with connection.cursor(row_factory=dict_row) as cursor:
            heads = cursor.execute(_SQL["heads"]).fetchone() or {}
            freshness = cursor.execute(_SQL["freshness"]).fetchone() or {}
            sizes = cursor.execute(_SQL["sizes"]).fetchone() or {}
            shards = [_shard(row) for row in cursor.execute(_SQL["shards"])]
        parked = parked_streams(connection)
        of_other_rules = is_of_other_rules(connection, PROJECTIONS["figures"], live)
    return Status(
        **heads,
        position=freshness["position"],
        seq=freshness["seq"],
        fresh_at=freshness["fresh_at"],
        lag_ms=freshness["lag_ms"],
        **sizes,
        shards=shards,
        parked=parked,
        paused=is_paused(sum(stream.version == live.version for stream in parked)),
        of_other_rules=of_other_rules,
        redis=_redis_status(redis, freshness["seq"]),
    )


def _shard(row: dict[str, object]) -> ShardStatus:
    lag_seconds = row.pop("waiting_seconds")
    return msgspec.convert(
        {
            **row,
            "lag_events": int(str(row["head_seq"])) - int(str(row["shard_seq"])),
            "lag_seconds": lag_seconds or 0.0,
        },
        ShardStatus,
    )


def _redis_status(redis: Redis, table_seq: int) -> RedisStatus:
    try:
        memory: dict[str, int] = redis.info("memory")
        used = memory["used_memory"]
        epoch = redis.get(EPOCH_KEY)
        if epoch is None:
            return RedisStatus(reachable=True, used_bytes=used)
        held = redis.get(seq_key(int(epoch)))
    except RedisError:
        return RedisStatus(reachable=False)
    if held is None:
        return RedisStatus(reachable=True, used_bytes=used, epoch=int(epoch))
    seq = int(held)
    return RedisStatus(reachable=True, used_bytes=used, epoch=int(epoch), seq=seq, behind=table_seq - seq)
