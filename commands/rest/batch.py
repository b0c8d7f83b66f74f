"""Many commands a request, of which each succeeds or fails alone."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from commands.catalog import COMMANDS
from commands.connections import write_connection
from commands.counting import count_command
from commands.dispatch import dispatch_many
from commands.errors import CommandError, InvalidCommand
from commands.idempotency import once
from commands.rest.examples import BATCH_REQUEST, BATCH_RESPONSE
from commands.rest.serializers import BatchSerializer, Requested, as_requested, read_command
from commands.rest.write_view import (
    HEADERS,
    BytesParser,
    LinesParser,
    WriteView,
    idempotency_key,
    outcome_of,
    refusals,
    told,
    unknown_command,
)
from commands.strict_json import MalformedBody, decode

_BATCH_COMMANDS = 200


class BatchView(WriteView):
    """Many commands."""

    parser_classes: ClassVar[Sequence[type[BaseParser]]] = [BytesParser, LinesParser]
    route = "/v1/commands"

    @extend_schema(
        operation_id="commands_batch",
        summary="Send many commands; each line succeeds or fails alone",
        description="A JSON array, or NDJSON with one command on each line. Each is an object with the name of its"
        " command under `command` and the command's own fields beside it. Commands are carried out in order. With an"
        " idempotency key the whole batch has its effect once.",
        tags=["commands"],
        parameters=HEADERS[:2],
        request={
            "application/json": {"type": "array", "items": {"type": "object", "required": ["command", "cik"]}},
            "application/x-ndjson": {"type": "string"},
        },
        responses={
            200: OpenApiResponse(
                BatchSerializer,
                description="What each line came to",
                examples=[OpenApiExample("One accepted, one refused", BATCH_RESPONSE)],
            ),
            **refusals(400, 401, 413, 415, 422, 429),
        },
        examples=[
            OpenApiExample("Array", BATCH_REQUEST, request_only=True, media_type="application/json"),
        ],
    )
    def post(self, request: Request) -> Response:
        """This will carry the commands out in order and say for each what it came to."""
        body = self.body(request)
        as_lines = request.content_type.startswith(LinesParser.media_type)
        key = idempotency_key(request)
        lines = _lines(body) if as_lines else _elements(body)
        with write_connection(settings.FACTFOLD.database_url) as connection:

            def work() -> bytes:
                results = list(self._carried_out(connection, lines, request))
                accepted = sum(result["status"] == 202 for result in results)
                return msgspec.json.encode({"accepted": accepted, "refused": len(results) - accepted, "data": results})

            if key is None:
                answer = work()
            else:
                digest = hashlib.blake2b(request.content_type.encode() + b"\0" + body, digest_size=16).digest()
                answer = once(
                    connection, key=key, request_hash=digest, status=200, work=lambda: work().decode()
                ).encode()
        return Response(msgspec.json.decode(answer))

    def _carried_out(
        self, connection: Any, lines: Iterator[tuple[int, Any]], request: Request
    ) -> Iterator[dict[str, Any]]:
        chunk: list[tuple[int, Requested | CommandError]] = []
        for line, read in lines:
            chunk.append((line, _requested(read)))
            if len(chunk) == _BATCH_COMMANDS:
                yield from self._chunk_carried_out(connection, chunk, request)
                chunk = []
        yield from self._chunk_carried_out(connection, chunk, request)

    def _chunk_carried_out(
        self, connection: Any, chunk: Sequence[tuple[int, Requested | CommandError]], request: Request
    ) -> Iterator[dict[str, Any]]:
        commands = [requested.command for _, requested in chunk if isinstance(requested, Requested)]
        outcomes = iter(dispatch_many(connection, commands, now=datetime.now(UTC)) if commands else ())
        for line, requested in chunk:
            if isinstance(requested, CommandError):
                count_command("unreadable", outcome=requested.code)
                yield self._refused(line, requested, request)
                continue
            outcome = next(outcomes)
            if isinstance(outcome, InvalidCommand):
                outcome = as_requested(outcome, places=requested.places)
            count_command(type(requested.command).__name__, outcome=outcome_of(outcome))
            if isinstance(outcome, CommandError):
                yield self._refused(line, outcome, request)
            else:
                yield {"line": line, "status": 202, **told(outcome)}

    def _refused(self, line: int, error: CommandError, request: Request) -> dict[str, Any]:
        problem = api_settings.EXCEPTION_HANDLER(error, {"request": request, "view": self})
        return {"line": line, "status": problem.status_code, "problem": problem.data}


def _requested(read: Any) -> Requested | CommandError:
    if isinstance(read, CommandError):
        return read
    if not isinstance(read, dict) or not isinstance(name := read.get("command"), str):
        return MalformedBody(
            pointer="/command",
            reason="is missing",
            fix='send an object such as {"command": "RegisterCompany", "cik": 320193, "name": "Apple Inc."}',
        )
    if name not in COMMANDS:
        return unknown_command(name, pointer="/command")
    try:
        return read_command(COMMANDS[name].type, {field: read[field] for field in read if field != "command"})
    except CommandError as error:
        return error


def _elements(body: bytes) -> Iterator[tuple[int, Any]]:
    elements = decode(body)
    if not isinstance(elements, list):
        raise MalformedBody(
            reason="is not a JSON array", fix="send an array of commands, or NDJSON as application/x-ndjson"
        )
    if not elements:
        raise _nothing_sent()
    return enumerate(elements, start=1)


def _lines(body: bytes) -> Iterator[tuple[int, Any]]:
    if not body.strip():
        raise _nothing_sent()
    for number, line in enumerate(BytesIO(body), start=1):
        if not line.strip():
            continue
        try:
            yield number, decode(line)
        except CommandError as error:
            yield number, error


def _nothing_sent() -> MalformedBody:
    return MalformedBody(reason="holds no command", fix="send at least one")
