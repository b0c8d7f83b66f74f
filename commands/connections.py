"""The write side's own connections, for the request threads of the api process."""

import atexit
import select
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool


@cache
def write_pool(database_url: str) -> ConnectionPool:
    """This will open a process's pool of autocommit connections to a database, once."""
    # What is asked by key is planned once, not for each group of commands anew: that takes longer than asking it.
    session = {"autocommit": True, "options": "-c plan_cache_mode=force_generic_plan"}
    pool = ConnectionPool(database_url, kwargs=session, min_size=0, max_size=16, max_idle=60, timeout=5, open=True)
    atexit.register(pool.close)
    return pool


@contextmanager
def write_connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """
    This will lend a connection of the pool for a block, and replace those that were lost with their server.

    Raises:
        psycopg.OperationalError: the database cannot be reached.
    """
    pool = write_pool(database_url)
    connection = pool.getconn()
    if _is_spoken_to(connection):
        connection.close()
        pool.putconn(connection)
        pool.check()
        connection = pool.getconn()
    try:
        with connection:
            yield connection
    finally:
        pool.putconn(connection)


def _is_spoken_to(connection: psycopg.Connection[Any]) -> bool:
    # A server says nothing unasked but that it goes away, so that looking costs no round trip. The pool's own check
    # waits longer and longer between two lost connections.
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
