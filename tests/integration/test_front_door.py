"""Each request reaches the part of the house that answers it."""

import re
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import anyio
import httpx
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application

from config.asgi import FrontDoor

type Message = MutableMapping[str, Any]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    door = FrontDoor(settings.FACTFOLD, django=get_asgi_application())
    to_door, inbox = anyio.create_memory_object_stream[Message](2)
    outbox, from_door = anyio.create_memory_object_stream[Message](2)
    async with anyio.create_task_group() as running:
        running.start_soon(door, {"type": "lifespan"}, inbox.receive, outbox.send)
        await to_door.send({"type": "lifespan.startup"})
        assert await from_door.receive() == {"type": "lifespan.startup.complete"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://127.0.0.1") as client:
            yield client
        await to_door.send({"type": "lifespan.shutdown"})
        assert await from_door.receive() == {"type": "lifespan.shutdown.complete"}
    for stream in (to_door, inbox, outbox, from_door):
        stream.close()


@pytest.mark.usefixtures("connection", "redis")
class TestFrontDoor:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/livez", 200),
            ("GET", "/readyz", 200),
            ("GET", "/v1/status", 200),
            ("GET", "/v1/commands/event-999", 404),
            ("PUT", "/v1/commands", 405),
            ("GET", "/mcp", 405),
            ("GET", "/nowhere", 404),
        ],
    )
    async def test_finds_an_answer_for_every_address(
        self, client: httpx.AsyncClient, method: str, path: str, status: int
    ) -> None:
        response = await client.request(method, path)

        assert response.status_code == status

    async def test_answers_for_what_is_nowhere_with_problem_details(self, client: httpx.AsyncClient) -> None:
        response = await client.get("/nowhere", headers={"x-request-id": "mine"})

        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "not_found"
        assert response.json()["request_id"] == "mine"

    @pytest.mark.parametrize("sent", ["x" * 65, "two words", "\u00e9"])
    async def test_gives_a_name_to_a_request_whose_own_could_not_be_repeated(
        self, client: httpx.AsyncClient, sent: str
    ) -> None:
        response = await client.get("/nowhere", headers=[(b"x-request-id", sent.encode("latin-1"))])

        assert re.fullmatch("[0-9a-f]{24}", response.json()["request_id"])
