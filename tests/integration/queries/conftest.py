"""The read API over a small set of figures, in process. Every answer is held against the OpenAPI document."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from jsonschema import Draft202012Validator
from redis import Redis

from tests.fixtures.crowd import Member, write_crowd
from tests.fixtures.figures import write_figures
from tests.fixtures.real_filings import report_real_filings

if TYPE_CHECKING:
    from queries.rest.app import ReadApi


@pytest.fixture
def figures(connection: psycopg.Connection) -> psycopg.Connection:
    """The connection to a database that holds the small set of figures."""
    write_figures(connection)
    return connection


@pytest.fixture
def filed(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """The connection to a database into which real filings were reported."""
    report_real_filings(connection, redis)
    return connection


@pytest.fixture
async def reader(filed: psycopg.Connection, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """The read API over real filings."""
    from tests.fixtures.read_api import asgi_client, running_read_api

    async with running_read_api() as app, asgi_client(app) as opened:
        opened.event_hooks["response"].append(hold_against_document)
        yield opened


@pytest.fixture(autouse=True)
def patient_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no Redis that is away: which of the two answers is what tests ask."""
    monkeypatch.setattr("queries.redis_reader.REDIS_TIMEOUT_SECONDS", 10.0)


@pytest.fixture
async def client(figures: psycopg.Connection, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    # Reads Django's settings, which stand only after pytest has been configured.
    from tests.fixtures.read_api import asgi_client, running_read_api

    async with running_read_api() as app, asgi_client(app) as opened:
        opened.event_hooks["response"].append(hold_against_document)
        yield opened


@pytest.fixture
def crowd(connection: psycopg.Connection) -> list[Member]:
    """Many companies with one value each, in the order of their CIK."""
    return write_crowd(connection)


@pytest.fixture
async def crowded_api(crowd: list[Member], redis: Redis) -> AsyncIterator["ReadApi"]:
    """The read API over the crowd, with an empty Redis."""
    from tests.fixtures.read_api import running_read_api

    async with running_read_api() as app:
        yield app


@pytest.fixture
async def asking(crowded_api: "ReadApi") -> AsyncIterator[httpx.AsyncClient]:
    """A client of the read API over the crowd."""
    from tests.fixtures.read_api import asgi_client

    async with asgi_client(crowded_api) as opened:
        opened.event_hooks["response"].append(hold_against_document)
        yield opened


@cache
def _document() -> dict[str, Any]:
    from queries.rest.openapi import build_document

    return build_document("3.1.1")


async def hold_against_document(response: httpx.Response) -> None:
    path = response.request.url.path
    declared = _declared(path)
    if declared is None or response.request.method != "GET":
        return
    status = str(response.status_code)
    assert status in declared["responses"], f"{path} answered {status}, which its declaration does not know"
    await response.aread()
    kind = response.headers.get("content-type", "").partition(";")[0]
    told = declared["responses"][status]
    if "$ref" in told:
        told = _document()["components"]["responses"][told["$ref"].rpartition("/")[2]]
    if status == "304" or (status == "200" and path.endswith((".csv", ".parquet"))):
        return
    schema = {**told["content"][kind]["schema"], "components": _document()["components"]}
    Draft202012Validator(schema).validate(json.loads(response.text, parse_float=Decimal))
    for header in told.get("headers", {}):
        assert header in response.headers or header == "Link", f"{path} answered without {header}"


def _declared(path: str) -> dict[str, Any] | None:
    words = path.removesuffix(".csv").removesuffix(".parquet").split("/")
    for template, item in _document()["paths"].items():
        parts = template.split("/")
        if len(parts) == len(words) and all(a == b or a.startswith("{") for a, b in zip(parts, words, strict=True)):
            declared: dict[str, Any] | None = item.get("get")
            return declared
    return None
