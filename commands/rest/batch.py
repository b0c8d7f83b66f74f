"""Many commands a request, of which each succeeds or fails alone."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from io import BytesIO
from itertools import batched
from typing import Any, ClassVar

import msgspec
from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from commands.catalog import COMMANDS, CommandDefinition
from commands.connections import waiting_connection
from commands.counting import count_command
from commands.dispatch import Accepted, dispatch_requests, hold_streams
from commands.errors import Busy, CommandError, FieldError, InvalidCommand
from commands.idempotency import once
from commands.rest.examples import BATCH_REQUEST, BATCH_RESPONSE
from commands.rest.serializers import BatchSerializer, as_requested, read_command
from commands.rest.write_view import (
    HEADERS,
    HELD_BY_OTHERS,
    BytesParser,
    LinesParser,
    WriteView,
    idempotency_key,
    outcome_of,
    refusals,
    told,
    unknown_command,
)
from commands.strict_json import MalformedBody, Number, decode
from commands.working_set import Request as CommandRequest

_BATCH_COMMANDS = 200
_BESIDE_THE_COMMAND = frozenset({"command", "expected_version"})
_VERSION = re.compile("[0-9]{1,9}")
_NO_VERSION = FieldError(
    pointer="/expected_version",
    reason="is no version",
    fix="send the version an earlier answer gave, a whole number, or leave it out",
)
_LINE = {
    "type": "object",
    "required": ["command", "cik"],
    "properties": {
        "command": {"type": "string", "enum": list(COMMANDS)},
        "cik": {"type": "integer"},
        "expected_version": {
            "type": "integer",
            "minimum": 0,
            "description": "The stream's version you decided on, counting the lines before this one; another one is"
            " answered with 409.",
        },
    },
}


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a batch: the request it makes, in canonical form, or why it makes none."""

    number: int
    asked: CommandRequest | CommandError
    name: str = "unreadable"


class BatchView(WriteView):
    """Many commands."""

    parser_classes: ClassVar[Sequence[type[BaseParser]]] = [BytesParser, LinesParser]
    route = "/v1/commands"

    @extend_schema(
        operation_id="commands_batch",
        summary="Send many commands; each line succeeds or fails alone",
        description="A JSON array, or NDJSON with one command on each line. Each is an object with the name of its"
        " command under `command`, the command's own fields beside it and, where it only makes sense if nobody else has"
        " written since, `expected_version`. Commands are carried out in order. With an idempotency key the whole batch"
        " has its effect once.",
        tags=["Commands"],
        parameters=HEADERS[:2],
        request={
            "application/json": {"type": "array", "items": _LINE},
            "application/x-ndjson": {"type": "string"},
        },
        responses={
            200: OpenApiResponse(
                BatchSerializer,
                description="What each line came to",
                examples=[OpenApiExample("One accepted, one refused", BATCH_RESPONSE)],
            ),
            **refusals(400, 413, 415, 422, 429, 503),
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
        lines = (_line(number, read) for number, read in (_lines(body) if as_lines else _elements(body)))
        with waiting_connection(settings.FACTFOLD.database_url) as connection:

            def work(lines: Iterable[_Line]) -> bytes:
                results = list(self._carried_out(connection, lines, request, together=key is not None))
                accepted = sum(result["status"] == 202 for result in results)
                return msgspec.json.encode({"accepted": accepted, "refused": len(results) - accepted, "data": results})

            def work_in_one_transaction() -> str:
                known = list(lines)
                hold_streams(connection, [line.asked for line in known if isinstance(line.asked, CommandRequest)])
                return work(known).decode()

            if key is None:
                answer = work(lines)
            else:
                digest = hashlib.blake2b(request.content_type.encode() + b"\0" + body, digest_size=16).digest()
                answer = once(
                    connection, key=key, request_hash=digest, status=200, work=work_in_one_transaction
                ).encode()
        return Response(msgspec.json.decode(answer))

    def _carried_out(
        self, connection: Any, lines: Iterable[_Line], request: Request, *, together: bool
    ) -> Iterator[dict[str, Any]]:
        behind: set[int] = set()
        """The companies of lines that found others at work: what comes after them waits with them."""
        for chunk in batched(lines, _BATCH_COMMANDS):
            requests = [line.asked for line in chunk if isinstance(line.asked, CommandRequest)]
            asked = [each for each in requests if each.command.cik not in behind]
            done: list[Accepted | CommandError] = []
            try:
                done = dispatch_requests(connection, asked, now=datetime.now(UTC))
            except HELD_BY_OTHERS:
                if together:
                    raise
                behind.update(each.command.cik for each in asked)
            outcomes = iter(done)
            for line in chunk:
                if isinstance(line.asked, CommandError):
                    outcome: Accepted | CommandError = line.asked
                else:
                    outcome = Busy() if line.asked.command.cik in behind else next(outcomes)
                count_command(line.name, outcome=outcome_of(outcome))
                if isinstance(outcome, CommandError):
                    yield self._refused(line.number, outcome, request)
                else:
                    yield {"line": line.number, "status": 202, **told(outcome)}

    def _refused(self, line: int, error: CommandError, request: Request) -> dict[str, Any]:
        problem = api_settings.EXCEPTION_HANDLER(error, {"request": request, "view": self})
        return {"line": line, "status": problem.status_code, "problem": problem.data}


def _line(number: int, read: Any) -> _Line:
    if isinstance(read, CommandError):
        return _Line(number=number, asked=read)
    if not isinstance(read, dict) or not isinstance(name := read.get("command"), str):
        missing = MalformedBody(
            pointer="/command",
            reason="is missing",
            fix='send an object such as {"command": "RegisterCompany", "cik": 320193, "name": "Apple Inc."}',
        )
        return _Line(number=number, asked=missing)
    if name not in COMMANDS:
        return _Line(number=number, asked=unknown_command(name, pointer="/command"))
    try:
        return _Line(number=number, name=name, asked=_asked(COMMANDS[name], read))
    except CommandError as refusal:
        return _Line(number=number, name=name, asked=refusal)


def _asked(definition: CommandDefinition, line: dict[str, Any]) -> CommandRequest:
    expected = line.get("expected_version")
    if expected is not None and not (isinstance(expected, Number) and _VERSION.fullmatch(expected)):
        raise InvalidCommand([_NO_VERSION])
    requested = read_command(definition.type, {name: line[name] for name in line if name not in _BESIDE_THE_COMMAND})
    try:
        command = definition.checked(requested.command)
    except InvalidCommand as error:
        raise as_requested(error, places=requested.places) from None
    return CommandRequest(command=command, expected_version=None if expected is None else int(expected))


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
            yield number, decode(line.removesuffix(b"\n"))
        except CommandError as error:
            yield number, error


def _nothing_sent() -> MalformedBody:
    return MalformedBody(reason="holds no command", fix="send at least one")
