"""How far what readers see is behind what has been committed."""

from typing import NamedTuple

import psycopg
from redis import Redis
from redis.exceptions import RedisError


class Progress(NamedTuple):
    """`position`: of the newest committed event, counting those not yet sequenced; `readable`: what readers see."""

    position: int
    readable: int
    done: bool


def read_progress(database_url: str, redis_url: str) -> Progress:
    """This will compare the log with the tables, and the tables with Redis."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(
            """
            select (select coalesce(max(position), 0) from events.log) + (select count(*) from events.pending),
                   position, seq
            from figures_v1.freshness
            """
        ).fetchone()
    committed, readable, refreshes = row or (0, 0, 0)
    done = committed == readable and (refreshes == 0 or _redis_follows(redis_url, refreshes))
    return Progress(committed, readable, done)


def _redis_follows(redis_url: str, refreshes: int) -> bool:
    try:
        with Redis.from_url(redis_url, decode_responses=True) as redis:
            epoch = redis.get("{ff}:epoch")
            return epoch is not None and int(redis.get(f"{{ff}}:{epoch}:seq") or 0) >= refreshes
    except RedisError:
        return False
