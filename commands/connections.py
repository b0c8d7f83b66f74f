"""The write side's own connections, for the request threads of the api process."""

import atexit
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from commands.errors import Busy

MOST_CONNECTIONS = 16
MOST_WHO_WAIT = 12
"""Of the connections: those who may wait for a stream leave the others some."""
PATIENCE_SECONDS = 5
"""How long a request waits for a stream, or for a place among those who wait."""


@cache
def write_pool(database_url: str) -> ConnectionPool:
    """This will open a process's pool of autocommit connections to a database, once."""
    # What is asked by key is planned once, not for each group of commands anew: that takes longer than asking it.
    options = f"-c plan_cache_mode=force_generic_plan -c lock_timeout={PATIENCE_SECONDS}s"
    session = {"autocommit": True, "options": options}
    pool = ConnectionPool(
        database_url, kwargs=session, min_size=0, max_size=MOST_CONNECTIONS, max_idle=60, timeout=5, open=True
    )
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


@contextmanager
def waiting_connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """
    This will lend a connection as `write_connection` does, to one who may have to wait for streams others hold.

    Raises:
        Busy: as many as may are using theirs.
    """
    places = _places_to_wait(database_url)
    if not places.acquire(timeout=PATIENCE_SECONDS):
        raise Busy(message="Too many requests wait for companies that others are writing to.")
    try:
        with write_connection(database_url) as connection:
            yield connection
    finally:
        places.release()


@cache
def _places_to_wait(database_url: str) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(MOST_WHO_WAIT)


def _is_spoken_to(connection: psycopg.Connection[Any]) -> bool:
    # A server says nothing unasked but that it goes away, so that looking costs no round trip. The pool's own check
    # waits longer and longer between two lost connections.
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    return bool(waiting.poll(0))
