"""How an installation stands: the log, each projection and shard, what is parked, and Redis."""

import re
from collections import Counter
from datetime import datetime
from itertools import batched

import msgspec
import psycopg
from psycopg.rows import dict_row
from redis import Redis
from redis.exceptions import RedisError

from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from projections.parking import ParkedStream, is_paused, parked_streams
from projections.projection import live_version
from projections.redis_views import EPOCH_KEY, PREFIX, number_of, seq_key
from projections.rules import is_of_other_rules
from queries.redis_budget import AGGREGATES_BYTES, AGGREGATES_BYTES_A_COMPANY, ANSWERS_BYTES, SETS_BYTES

_SQL = load_statements("projections", "status.sql")

_KINDS = {
    "aggregates": re.compile(rb"\{ff\}:\d+:agg:"),
    "sets": re.compile(rb"\{ff\}:\d+:rank:"),
    "answers": re.compile(rb"answers:\{ff\}:"),
}
_PIECE = 500


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


class MemoryShare(msgspec.Struct, frozen=True, kw_only=True):
    """What keys of one kind take, and what they may."""

    used_bytes: int
    budget_bytes: int


class RedisMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis holds for readers: aggregates held ready, sets of ranks, and kept answers."""

    aggregates: MemoryShare
    sets: MemoryShare
    answers: MemoryShare


class RedisStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which epoch Redis serves and how far it has come; `reachable` is false when it does not answer.

    `used_bytes` is all the memory the server uses; `memory` tells apart what is ours, where it was measured.
    """

    reachable: bool
    used_bytes: int | None = None
    epoch: int | None = None
    seq: int | None = None
    behind: int | None = None
    memory: RedisMemory | None = None


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


def measure_redis(redis: Redis, *, companies: int) -> RedisMemory | None:
    """
    This will add up what each kind of keys takes, asking for every key; None when Redis does not answer.

    Some 10,000 keys take half a second.
    """
    used: Counter[str] = Counter()
    try:
        for keys in batched(redis.scan_iter(f"*{PREFIX}:*", count=1_000), _PIECE):
            with redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.memory_usage(key)
                for key, taken in zip(keys, pipeline.execute(), strict=True):
                    used.update({kind: taken or 0 for kind, form in _KINDS.items() if form.match(key)})
    except RedisError:
        return None
    budgets = {
        "aggregates": min(companies * AGGREGATES_BYTES_A_COMPANY, AGGREGATES_BYTES),
        "sets": SETS_BYTES,
        "answers": ANSWERS_BYTES,
    }
    return RedisMemory(
        **{kind: MemoryShare(used_bytes=used[kind], budget_bytes=budget) for kind, budget in budgets.items()}
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
        epoch = number_of(redis.get(EPOCH_KEY))
        seq = None if epoch is None else number_of(redis.get(seq_key(epoch)))
    except RedisError:
        return RedisStatus(reachable=False)
    behind = None if seq is None else table_seq - seq
    return RedisStatus(reachable=True, used_bytes=used, epoch=epoch, seq=seq, behind=behind)
