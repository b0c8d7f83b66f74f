"""
The one ASGI application of the `api` process.

Reads and MCP are answered before Django: its handler starts a thread for every request.
"""

import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application

import mcp_tools.server
import queries.rest.app
from config.env import Settings
from config.problem_details import problem_for
from config.ready import announce_ready

logger = logging.getLogger(__name__)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MCP_PATHS = frozenset({"/mcp", "/mcp/"})
_WRITE_PATH = "/v1/commands"
_READ_PATHS = frozenset({"/", "/docs", "/livez", "/readyz", "/v1"})
_READ_FOLDERS = ("/v1/", "/docs/", "/schema/")


class FrontDoor:
    """This will send each request to the part of the house that answers it, and start and stop those parts."""

    def __init__(self, settings: Settings, *, django: AsgiApp) -> None:
        self._django = django
        self._read = queries.rest.app.create_app(settings, problem_for)
        self._mcp = mcp_tools.server.create_app(settings, self._read)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        await self._answering(scope)(scope, receive, send)

    def _answering(self, scope: Scope) -> AsgiApp:
        path: str = scope["path"]
        if path in _MCP_PATHS:
            return self._mcp
        writes = path == _WRITE_PATH or path.startswith(f"{_WRITE_PATH}/")
        if not writes and (path in _READ_PATHS or path.startswith(_READ_FOLDERS)):
            return self._read
        return self._django

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as running:
            await receive()
            try:
                await self._read.startup()
                running.push_async_callback(self._read.shutdown)
                await running.enter_async_context(self._mcp.lifespan())
            except Exception as error:
                logger.exception("the api could not start")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            announce_ready()
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


application = FrontDoor(settings.FACTFOLD, django=get_asgi_application())
