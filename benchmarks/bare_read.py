"""The least an ASGI application can do for an answer from Redis: one GET, its bytes sent."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

import redis.asyncio

BODY_KEY = "{ff}:benchmark:body"

type Message = MutableMapping[str, Any]

client = redis.asyncio.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1"), protocol=2)


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """This will answer every request with the bytes under one key."""
    if scope["type"] != "http":
        return
    body = cast(bytes, await client.get(BODY_KEY))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
