"""A served installation with a small set of figures."""

from collections.abc import Iterator

import psycopg
import pytest
from redis import Redis

from projections.redis_views import follow
from tests.fixtures.figures import write_figures


@pytest.fixture(scope="session")
def _served(database_url: str, redis_url: str) -> Iterator[str]:
    from tests.fixtures.read_api import served_api

    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "FACTFOLD_MIN_POSITION_WAIT_MS": "100"}
    with served_api(environ) as address:
        yield address


@pytest.fixture
def api_url(connection: psycopg.Connection, redis: Redis, _served: str) -> str:
    """The address of a front door that is a process of its own, over the small set of figures."""
    write_figures(connection)
    follow(connection, redis)
    return _served
