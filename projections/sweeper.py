"""The net under the doorbells: whatever was not rung, or was not heard, is found and done here."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from commands.event_log.read import read_origins
from commands.event_log.sequence import sequence_pending
from commands.sql import load_statements
from commands.tracing import Origin, is_tracing, record_span
from projections.aggregates import is_being_refreshed, is_stale, refresh
from projections.catalog import PROJECTIONS
from projections.projector import catch_up
from projections.redis_views import follow

logger = logging.getLogger(__name__)

_SQL = load_statements("projections", "sweeper.sql")

Clock = Callable[[], datetime]

MANY_WAITING = 50
"""So many events are no trickle but a load under way: files are read, or many senders post at once."""

PATIENCE_SECONDS = 10.0
"""How long the figures of a load under way wait for a refresh, which looks at all companies again each time."""


def utc_now() -> datetime:
    """The clock of a running process."""
    return datetime.now(UTC)


def lagging_shards(connection: psycopg.Connection, *, projection: str = "figures") -> dict[int, int]:
    """How many events wait in each shard that is behind, furthest first."""
    rows = connection.execute(_SQL["lagging_shards"], {"name": projection})
    return dict(rows.fetchall())


def _waiting(connection: psycopg.Connection) -> int:
    return sum(lagging_shards(connection).values())


class Pace:
    """
    When a sweeper refreshes: at once, but under a load only every so often, and for half of the time at most.

    `elapsed` counts seconds from any instant on.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self.elapsed = elapsed
        self._not_before: float | None = None

    def allows(self, *, waiting: int) -> bool:
        """This will say whether to refresh now, when so many events wait to be folded."""
        if waiting < MANY_WAITING:
            self._not_before = None
            return True
        now = self.elapsed()
        if self._not_before is None:
            self._not_before = now + PATIENCE_SECONDS
        return now >= self._not_before

    def refreshed(self, *, begun: float) -> None:
        """This will have the next refresh of the same load wait again, and no less than this one took."""
        if self._not_before is not None:
            now = self.elapsed()
            self._not_before = now + max(PATIENCE_SECONDS, now - begun)


def sweep(connection: psycopg.Connection, redis: Redis, *, pace: Pace | None = None, clock: Clock = utc_now) -> int:
    """
    This will fold whatever waits in any shard, bring the aggregates and Redis up to date, and count the events.

    With a `pace` aggregates and Redis are left for a later sweep while it says so.
    """
    events = 0
    for name in PROJECTIONS:
        for shard in lagging_shards(connection, projection=name):
            events += catch_up(connection, projection=name, shard=shard).events
    if pace is None:
        refresh_figures(connection, redis, clock=clock)
    elif pace.allows(waiting=_waiting(connection)):
        begun = pace.elapsed()
        refresh_figures(connection, redis, clock=clock)
        pace.refreshed(begun=begun)
    return events


def refresh_figures(connection: psycopg.Connection, redis: Redis, *, clock: Clock = utc_now) -> None:
    """
    This will bring aggregates and Redis to what the shards have folded; a Redis that does not answer is left for later.

    Whoever finds another worker refreshing leaves: that worker looks again after it has let go, as in
    Note [no lost wake-up]. It does so also where there was nothing to refresh: others were turned away all the same.
    Only under a load it leaves: who folds the last of it comes here again.
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
        except ResponseError as refusal:
            logger.warning("Redis refuses the figures, trying again: %s", refusal)
            return
        except RedisError:
            return
        if not is_stale(connection) or is_being_refreshed(connection) or _waiting(connection) >= MANY_WAITING:
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
