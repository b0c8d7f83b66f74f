"""Bodies of any length, declared or not, over a real socket."""

import json
import select
import socket
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from commands.rest.bodies import BATCH_BYTES, COMMAND_BYTES
from tests.fixtures.front_door import front_door_beside

MEBIBYTE = b"\n" * 2**20
APPLE = json.dumps({"cik": 320193, "name": "Apple Inc."}).encode()
LINE = json.dumps({"command": "RegisterCompany", "cik": 320193, "name": "Apple Inc."}).encode()
JSON, NDJSON = "application/json", "application/x-ndjson"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with front_door_beside() as address:
        yield address


@pytest.fixture
def client(address: str, connection: psycopg.Connection) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield client


def in_chunks(body: bytes) -> Iterator[bytes]:
    """Of no length declared beforehand."""
    for begin in range(0, len(body), 10):
        yield body[begin : begin + 10]


def offer_without_end(address: str, path: str) -> tuple[bytes, int]:
    """This will send chunks until there is an answer; returns that, and how many bytes were sent before."""
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port), timeout=30) as speaking:
        speaking.sendall(f"POST {path} HTTP/1.1\r\nHost: {url.netloc}\r\nTransfer-Encoding: chunked\r\n".encode())
        speaking.sendall(f"Content-Type: {NDJSON}\r\n\r\n".encode())
        for sent in count():
            if select.select([speaking], [], [], 0)[0]:
                return speaking.recv(65536), sent * len(MEBIBYTE)
            speaking.sendall(b"%x\r\n%b\r\n" % (len(MEBIBYTE), MEBIBYTE))
    raise AssertionError("there is no end to counting")


def events_and_keys(connection: psycopg.Connection) -> tuple[int, int]:
    row = connection.execute("select (select count(*) from events.event), (select count(*) from events.idempotency)")
    return row.fetchone()  # type: ignore[return-value]  # two counts


class TestABodyOfUndeclaredLength:
    def test_is_a_command_like_any_other(self, client: httpx.Client, connection: psycopg.Connection) -> None:
        headers = {"Content-Type": JSON, "Idempotency-Key": "k"}

        answer = client.post("/v1/commands/RegisterCompany", content=in_chunks(APPLE), headers=headers)

        assert answer.request.headers["Transfer-Encoding"] == "chunked"
        assert (answer.status_code, answer.json()["version"]) == (202, 1)
        again = client.post("/v1/commands/RegisterCompany", content=APPLE, headers=headers)
        assert again.content == answer.content

    def test_is_a_batch_like_any_other(self, client: httpx.Client, connection: psycopg.Connection) -> None:
        answer = client.post("/v1/commands", content=in_chunks(LINE), headers={"Content-Type": NDJSON})

        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
        assert events_and_keys(connection) == (1, 0)

    @pytest.mark.parametrize(
        ("path", "most"),
        [("/v1/commands", BATCH_BYTES), ("/v1/commands/RegisterCompany", COMMAND_BYTES)],
    )
    def test_is_read_no_further_than_the_limit(
        self, address: str, connection: psycopg.Connection, path: str, most: int
    ) -> None:
        answer, sent = offer_without_end(address, path)

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"code":"body_too_large"' in answer
        assert sent < most + 32 * len(MEBIBYTE)  # what lies in buffers in between
        assert events_and_keys(connection) == (0, 0)


class TestABodyOfDeclaredLength:
    def test_is_refused_unread_when_it_is_too_long(self, client: httpx.Client, connection: psycopg.Connection) -> None:
        headers = {"Content-Type": NDJSON, "Idempotency-Key": "k"}

        answer = client.post("/v1/commands", content=LINE + MEBIBYTE * 50, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert events_and_keys(connection) == (0, 0)

    def test_may_be_as_long_as_the_limit(self, client: httpx.Client, connection: psycopg.Connection) -> None:
        answer = client.post("/v1/commands", content=LINE.ljust(BATCH_BYTES), headers={"Content-Type": NDJSON})

        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
