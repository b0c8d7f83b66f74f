"""
The one ASGI application of the `api` process: who asks is let in or refused here, and then answered by one part.

Reads and MCP are answered before Django: its handler starts a thread for every request.
"""

import gc
import logging
import os
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import Http404

import mcp_tools.answers
import mcp_tools.server
import queries.rest.app
from commands.catalog import COMMANDS
from commands.rest.bodies import BATCH_BYTES, COMMAND_BYTES, BodyTooLarge
from config import operations
from config.access.errors import NotAdmitted
from config.access.gate import Gate
from config.access.key_lookup import KeyLookup
from config.access.keys import ApiKey, KeyScope
from config.ending import told_of_ending
from config.env import Settings
from config.logs import REQUEST_ID
from config.measures import request_counts
from config.problem_details import Problem, problem_for
from config.ready import announce_ready
from config.tracing import start_tracing

logger = logging.getLogger(__name__)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_MCP_PATHS = frozenset({"/mcp", "/mcp/"})
_WRITE_PATH = "/v1/commands"
_FIGURES_PATH = "/v1"
_OPEN_PATHS = frozenset({"/", "/docs", "/livez"})
_OPEN_FOLDERS = ("/docs/", "/schema/")
_ROUTES = _OPEN_PATHS | operations.PATHS | {_FIGURES_PATH, _WRITE_PATH}
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,64}")
_GIVEN_UP = 499
"""Counted where nobody waited for the answer."""


class FrontDoor:
    """This will send each request to the part of the house that answers it, and start and stop those parts."""

    def __init__(self, settings: Settings, *, django: AsgiApp) -> None:
        self._django = django
        self._read = queries.rest.app.create_app(settings, problem_for)
        self._mcp = mcp_tools.server.create_app(settings, self._read)
        self._requests = request_counts()
        self._operations = operations.Operations(settings, requests=self._requests)
        self._keys = KeyLookup(settings.database_url)
        self._gate = Gate(self._keys.find, anonymous=settings.anonymous)
        self._logs_writes = settings.log == "json"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        begun = time.perf_counter()
        status = _GIVEN_UP

        async def noting_status(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        REQUEST_ID.set(give_request_id(scope))
        answering, needs = self._part(scope["path"])
        key: ApiKey | None = None
        try:
            # A browser asks by OPTIONS what it may send, without a key, before it sends one.
            if needs is not None and scope["method"] != "OPTIONS":
                key = await self._gate.admit(_header(scope, b"authorization"), needs=needs)
            if key is not None:
                scope["still_admitted"] = partial(self._gate.still_admits, key)
            await answering(scope, receive, noting_status)
        except NotAdmitted as refusal:
            await self._refuse(refusal, answering, scope, noting_status)
        finally:
            if key is not None and status == 304:
                self._gate.give_back(key)
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            route = _route(scope)
            self._requests.count(method=method, route=route, status=status, begun=begun)
            if self._logs_writes and route.startswith(_WRITE_PATH):
                seconds = round(time.perf_counter() - begun, 6)
                told = {
                    "route": route,
                    "status": status,
                    "seconds": seconds,
                    "key": None if key is None else key.prefix,
                    "traceparent": _header(scope, b"traceparent"),
                }
                logger.info("%s %s %d", method, route, status, extra=told)

    def _part(self, path: str) -> tuple[AsgiApp, KeyScope | None]:
        """Which part answers at a path, and the scope it takes to be let in there; None where anybody is."""
        if path in _MCP_PATHS:
            return self._mcp, "read"
        if _is_in(_WRITE_PATH, path):
            return self._ask_django, "write"
        if _is_in(_FIGURES_PATH, path):
            return self._read, "read"
        if path in _OPEN_PATHS or path.startswith(_OPEN_FOLDERS):
            return self._read, None
        if path in operations.PATHS:
            return self._operate, None
        return _nowhere, None

    async def _ask_django(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Django would keep a body of any length before it asks a view, and take one of unknown length for none."""
        most = BATCH_BYTES if scope["path"] == _WRITE_PATH else COMMAND_BYTES
        declared = _header(scope, b"content-length")
        length = 0

        async def receive_counted() -> MutableMapping[str, Any]:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > most:
                return {"type": "http.disconnect"}  # lets go of what came
            if declared is None and message["type"] == "http.request" and not message.get("more_body", False):
                scope["headers"] = [*scope["headers"], (b"content-length", b"%d" % length)]
            return message

        if int(declared or 0) <= most:
            await self._django(scope, receive_counted, send)
            if length <= most:
                return
        await _send(problem_for(BodyTooLarge(most=most), request_id=give_request_id(scope)), scope, send)

    async def _refuse(self, refusal: NotAdmitted, part: AsgiApp, scope: Scope, send: Send) -> None:
        """This will tell a stranger what the part he asked would have told him, in its form."""
        request_id = give_request_id(scope)
        answer = problem_for(refusal, request_id=request_id)
        headers = [(b"x-request-id", request_id.encode())]
        if part is self._read:
            headers += queries.rest.app.EVERY_ANSWER
        elif part is self._mcp:
            told = dict(answer.headers) | {"content-type": "application/json"}
            answer = Problem(answer.status, tuple(told.items()), mcp_tools.answers.protocol_error(refusal))
        await _send(answer, scope, send, headers)

    async def _operate(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _send(await self._operations.answer(scope["path"], request_id=give_request_id(scope)), scope, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as running:
            await receive()
            start_tracing("api")
            try:
                await self._read.startup()
                running.push_async_callback(self._read.shutdown)
                running.enter_context(told_of_ending(self._read.end_streams))
                await running.enter_async_context(self._mcp.lifespan())
                running.push_async_callback(self._operations.close)
                running.push_async_callback(self._keys.close)
            except Exception as error:
                logger.exception("the api could not start")
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            # What is loaded by now stays: the collector need not look at it again while somebody waits.
            gc.collect()
            gc.freeze()
            await send({"type": "lifespan.startup.complete"})
            announce_ready()
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def give_request_id(scope: Scope) -> str:
    """
    This will return the id a request came with, or give it one, under which every part of the house knows it.

    One that could not be repeated in a header or found in a log counts as none.
    """
    sent = _header(scope, b"x-request-id")
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent
    request_id = secrets.token_hex(12)
    others = [header for header in scope["headers"] if header[0] != b"x-request-id"]
    scope["headers"] = [*others, (b"x-request-id", request_id.encode())]
    return request_id


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    error = Http404(f"Nothing stands at {scope['path']}.")
    await _send(problem_for(error, request_id=give_request_id(scope)), scope, send)


async def _send(answer: Problem, scope: Scope, send: Send, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    headers = [*more, *((name.encode(), value.encode()) for name, value in answer.headers)]
    headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


def _header(scope: Scope, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None)


def _is_in(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _route(scope: Scope) -> str:
    """The template of a request's address: there are few of them, however many addresses are asked for."""
    if route := scope.get("route"):
        return str(route)
    path: str = scope["path"]
    if path in _MCP_PATHS:
        return "/mcp"
    if path in _ROUTES:
        return path
    if path.startswith(f"{_WRITE_PATH}/"):
        return path if path.removeprefix(f"{_WRITE_PATH}/") in COMMANDS else f"{_WRITE_PATH}/{{id}}"
    return "unknown"


application = FrontDoor(settings.FACTFOLD, django=get_asgi_application())
