"""The write side's own connections, for the request threads of the api process."""

import atexit
from functools import cache

from psycopg_pool import ConnectionPool


@cache
def write_pool(database_url: str) -> ConnectionPool:
    """This will open a process's pool of autocommit connections to a database, once."""
    pool = ConnectionPool(
        database_url, kwargs={"autocommit": True}, min_size=0, max_size=16, max_idle=60, timeout=5, open=True
    )
    atexit.register(pool.close)
    return pool
