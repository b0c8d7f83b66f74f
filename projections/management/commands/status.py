"""`manage.py status`: how the running installation stands."""

from argparse import ArgumentParser
from typing import Any

import msgspec
import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand
from redis import Redis

from projections.rules import OTHER_RULES
from projections.status import RedisMemory, Status, measure_redis, read_status


class Command(BaseCommand):
    help = "Shows positions, the lag of each projection and shard, parked streams and the Redis epoch."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        factfold = settings.FACTFOLD
        with (
            psycopg.connect(factfold.database_url, autocommit=True) as connection,
            Redis.from_url(factfold.redis_url) as redis,
        ):
            status = read_status(connection, redis)
            memory = measure_redis(redis, companies=status.companies) if status.redis.reachable else None
        status = msgspec.structs.replace(status, redis=msgspec.structs.replace(status.redis, memory=memory))
        if options["json"]:
            self.stdout.write(msgspec.json.encode(status).decode())
        else:
            self.stdout.write("\n".join(_table(status)))


def _table(status: Status) -> list[str]:
    redis = status.redis
    lines = [
        f"log         {status.head:,} events in order, {status.pending:,} waiting for their position",
        f"figures     readable up to position {status.position:,}, since {status.fresh_at:%Y-%m-%d %H:%M:%S} UTC "
        f"({status.lag_ms} ms after that event)",
        f"contents    {status.companies:,} companies, {status.filings:,} filings, {status.facts:,} facts, "
        f"{status.aggregates:,} group aggregates",
        "redis       does not answer; readers are served from PostgreSQL"
        if not redis.reachable
        else "redis       empty; the worker fills it within seconds"
        if redis.seq is None
        else f"redis       epoch {redis.epoch}, refresh {redis.seq:,}, {redis.behind} behind the tables; "
        f"{redis.used_bytes or 0:,} bytes in all",
        *(_shares(redis.memory, companies=status.companies) if redis.memory else ()),
        *([f"rules       {OTHER_RULES}"] if status.of_other_rules else []),
        "",
        "projection   version state     shard     folded       head   behind       s",
    ]
    lines.extend(
        f"{shard.name:<12} {shard.version:>7} {shard.state:<9} {shard.shard:>5} {shard.shard_seq:>10,} "
        f"{shard.head_seq:>10,} {shard.lag_events:>8,} {shard.lag_seconds:>7.1f}"
        for shard in status.shards
    )
    lines.append("")
    stopped = "; PAUSED: too many, see `manage.py parked`" if status.paused else ""
    lines.append(f"parked      {len(status.parked)} streams{stopped}")
    lines.extend(
        f"  {stream.name} v{stream.version}  {stream.stream}  from position {stream.position:,}, "
        f"{stream.events:,} events: {stream.error}"
        for stream in status.parked
    )
    return lines


def _shares(memory: RedisMemory, *, companies: int) -> list[str]:
    aggregates = memory.aggregates.used_bytes // max(companies, 1)
    told = (
        (f"aggregates held ready, {aggregates:,} a company", memory.aggregates),
        ("sets of ranks", memory.sets),
        ("kept answers", memory.answers),
    )
    return [
        f"  {share.used_bytes:>13,} bytes of {share.budget_bytes:>13,} {kind}"
        f"{'; OVER BUDGET' if share.used_bytes > share.budget_bytes else ''}"
        for kind, share in told
    ]
