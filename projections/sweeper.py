"""The net under the doorbells: whatever was not rung, or was not heard, is found and done here."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from commands.event_log.read import read_origins
from commands.event_log.sequence import sequence_pending
from commands.sql import load_statements
from commands.tracing import Origin, is_tracing, record_span
from projections.aggregates import is_being_refreshed, is_stale, refresh
from projections.catalog import PROJECTIONS
from projections.projector import catch_up
from projections.redis_views import follow

_SQL = load_statements("projections", "sweeper.sql")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The clock of a running process."""
    return datetime.now(UTC)


def lagging_shards(connection: psycopg.Connection, *, projection: str = "figures") -> dict[int, int]:
    """How many events wait in each shard that is behind, furthest first."""
    rows = connection.execute(_SQL["lagging_shards"], {"name": projection})
    return dict(rows.fetchall())


def sweep(connection: psycopg.Connection, redis: Redis, *, clock: Clock = utc_now) -> int:
    """This will fold whatever waits in any shard, bring the aggregates and Redis up to date, and count the events."""
    events = 0
    for name in PROJECTIONS:
        for shard in lagging_shards(connection, projection=name):
            events += catch_up(connection, projection=name, shard=shard).events
    refresh_figures(connection, redis, clock=clock)
    return events


def refresh_figures(connection: psycopg.Connection, redis: Redis, *, clock: Clock = utc_now) -> None:
    """
    This will bring aggregates and Redis to what the shards have folded; a Redis that does not answer is left for later.

    Whoever finds another worker refreshing leaves: that worker looks again after it has let go, as in
    Note [no lost wake-up]. It does so also where there was nothing to refresh: others were turned away all the same.
    """
    origins: list[Origin] = []
    while True:
        begun_ns = time.time_ns()
        if (done := refresh(connection, now=clock())) is not None:
            if is_tracing():
                origins = read_origins(connection, after=done.from_position, up_to=done.position)
            record_span("refresh", origins, begun_ns=begun_ns, attributes={"factfold.groups": done.groups})
        begun_ns = time.time_ns()
        try:
            if fragments := follow(connection, redis):
                record_span("redis follow", origins, begun_ns=begun_ns, attributes={"factfold.fragments": fragments})
        except RedisError:
            return
        if not is_stale(connection) or is_being_refreshed(connection):
            return


def refresh_when_caught_up(connection: psycopg.Connection, redis: Redis, *, clock: Clock = utc_now) -> None:
    """This will refresh unless shards are still behind: under load the sweeper refreshes once for many batches."""
    if not lagging_shards(connection):
        refresh_figures(connection, redis, clock=clock)


def drain(connection: psycopg.Connection, redis: Redis, *, clock: Clock = utc_now) -> int:
    """This will sequence and fold until nothing is left to do, in this process alone, and count the events folded."""
    events = 0
    while True:
        sequenced = sequence_pending(connection)
        swept = sweep(connection, redis, clock=clock)
        events += swept
        if not sequenced and not swept:
            return events
