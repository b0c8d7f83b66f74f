"""The read API over a small set of figures, in process."""

from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest
from redis import Redis

from tests.fixtures.figures import write_figures


@pytest.fixture
def figures(connection: psycopg.Connection) -> psycopg.Connection:
    """The connection to a database that holds the small set of figures."""
    write_figures(connection)
    return connection


@pytest.fixture
async def client(figures: psycopg.Connection, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    # Reads Django's settings, which stand only after pytest has been configured.
    from tests.fixtures.read_api import asgi_client, running_read_api

    async with running_read_api() as app, asgi_client(app) as opened:
        yield opened
