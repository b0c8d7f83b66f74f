"""Waiting until what has been committed can be read."""

from collections.abc import Callable

import psycopg
from redis import Redis

from projections.status import read_status
from projections.sweeper import drain


class ProjectionPaused(Exception):
    """Nothing more becomes readable until parked streams are looked after: see `manage.py parked` and `unpark`."""


def wait_until_readable(connection: psycopg.Connection, redis: Redis, *, between: Callable[[], None]) -> int:
    """
    This will return the position up to which the log stood when it was called, once the figures contain all of it.

    It does whatever work is left undone, so that it ends also where no worker runs; `between` is called when there
    is nothing to do but wait for another worker. A Redis that does not answer is not waited for.

    Raises:
        ProjectionPaused: too many streams are parked to go on.
    """
    drain(connection, redis)
    wanted: int | None = None
    while True:
        status = read_status(connection, redis)
        if wanted is None and not status.pending:
            wanted = status.head
        redis_follows = not status.redis.reachable or status.redis.behind == 0 or not status.seq
        if wanted is not None and status.position >= wanted and redis_follows:
            return wanted
        if status.paused:
            raise ProjectionPaused(f"{len(status.parked)} streams are parked; see `manage.py parked`")
        if not drain(connection, redis):
            between()
