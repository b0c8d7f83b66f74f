"""The read API over a small set of figures, in process."""

from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest
from django.conf import settings
from redis import Redis

from config.problem_details import problem_for
from queries.rest.app import ReadApi, create_app
from tests.fixtures.figures import write_figures


@pytest.fixture
def figures(connection: psycopg.Connection) -> psycopg.Connection:
    """The connection to a database that holds the small set of figures."""
    write_figures(connection)
    return connection


@pytest.fixture
async def read_api(figures: psycopg.Connection, redis: Redis) -> AsyncIterator[ReadApi]:
    app = create_app(settings.FACTFOLD, problem_for)
    await app.startup()
    yield app
    await app.shutdown()


@pytest.fixture
async def client(read_api: ReadApi) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=read_api)
    async with httpx.AsyncClient(transport=transport, base_url="http://factfold.test") as opened:
        yield opened
