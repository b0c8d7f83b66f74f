"""How far what readers see is behind what has been committed."""

from typing import NamedTuple

import psycopg
from psycopg import sql
from redis import Redis
from redis.exceptions import RedisError

from projections.projection import live_version
from projections.redis_views import EPOCH_KEY, seq_key


class Progress(NamedTuple):
    """
    `position`: of the newest committed event, counting those not yet sequenced; `folded`: how many events are in the
    tables; `done`: readers see all of them, in aggregates and Redis too.
    """

    position: int
    folded: int
    done: bool


def read_progress(database_url: str, redis_url: str) -> Progress:
    """This will compare the log with the tables, and the tables with Redis."""
    with psycopg.connect(database_url, autocommit=True) as connection, Redis.from_url(redis_url) as redis:
        return progress_over(connection, redis)


def progress_over(connection: psycopg.Connection, redis: Redis) -> Progress:
    """This will do the same over connections that are kept, for who asks many times a second."""
    query = sql.SQL(
        """
        select (select coalesce(max(position), 0) from events.log) + (select count(*) from events.pending),
               (select sum(shard_seq) from projections.checkpoint where name = %(name)s and version = %(version)s),
               position, seq
        from {}.freshness
        """
    )
    with connection.transaction():
        figures = live_version(connection, "figures")
        row = connection.execute(query.format(sql.Identifier(figures.schema)), figures.key).fetchone()
    committed, folded, readable, refreshes = row or (0, 0, 0, 0)
    done = committed == readable and (refreshes == 0 or _redis_follows(redis, refreshes))
    return Progress(committed, int(folded or 0), done)


def _redis_follows(redis: Redis, refreshes: int) -> bool:
    try:
        epoch = redis.get(EPOCH_KEY)
        return epoch is not None and int(redis.get(seq_key(int(epoch))) or 0) >= refreshes
    except RedisError:
        return False
