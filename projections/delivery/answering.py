"""What all doors do when a bell has been heard."""

import logging
import threading
from collections.abc import Iterable, Mapping

import psycopg
from django.conf import settings
from opentelemetry.trace import SpanKind
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from commands.tracing import Origin, continued
from projections.catalog import PROJECTIONS
from projections.projector import catch_up
from projections.sweeper import refresh_when_caught_up

logger = logging.getLogger(__name__)
_standing = threading.local()


def wanted_by(bells: Iterable[tuple[int, int]]) -> dict[int, int]:
    """This will say how far each shard has to come for all bells, given as (shard, to_seq), to be answered."""
    wanted: dict[int, int] = {}
    for shard, to_seq in bells:
        wanted[shard] = max(to_seq, wanted.get(shard, 0))
    return wanted


def answer(
    wanted: Mapping[int, int], *, deadline: float | None = None, origins: Iterable[Origin] = ()
) -> dict[int, int]:
    """
    This will bring every projection as far as asked, then the figures, and say how far each shard has come.

    A shard that another worker holds, or whose database does not answer, may fall short; so may all shards when
    `deadline`, an instant of `time.monotonic`, is near. `origins` are the trace contexts the bells came with.
    """
    with continued("answer bells", origins, kind=SpanKind.CONSUMER, attributes={"factfold.shards": len(wanted)}):
        return _answer(wanted, deadline=deadline)


def _answer(wanted: Mapping[int, int], *, deadline: float | None) -> dict[int, int]:
    reached: dict[int, int] = {}
    for shard, to_seq in sorted(wanted.items()):
        try:
            reached[shard] = min(
                catch_up(
                    standing_connection(), projection=name, shard=shard, to_seq=to_seq, deadline=deadline
                ).reached_seq
                for name in PROJECTIONS
            )
        except psycopg.OperationalError:
            logger.exception("shard %d was not caught up", shard)
            reached[shard] = 0
    try:
        refresh_when_caught_up(standing_connection(), standing_redis())
    except psycopg.OperationalError:
        logger.exception("the figures were not refreshed; the sweeper will do it")
    return reached


def standing_connection() -> psycopg.Connection:
    """
    This will return this thread's connection to the database, opened anew when it was lost.

    Nothing is prepared on the server, so that a transaction pooler may stand between.
    """
    connection: psycopg.Connection | None = getattr(_standing, "connection", None)
    if connection is None or connection.closed:
        connection = psycopg.connect(settings.FACTFOLD.database_url, autocommit=True, prepare_threshold=None)
        _standing.connection = connection
    return connection


def standing_redis() -> Redis:
    """This will return this thread's Redis client."""
    redis: Redis | None = getattr(_standing, "redis", None)
    if redis is None:
        redis = _standing.redis = Redis.from_url(
            settings.FACTFOLD.redis_url,
            socket_connect_timeout=2,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 1),  # bells do not wait for a Redis that is away
        )
    return redis
