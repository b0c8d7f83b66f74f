"""Commands over REST: one at a time, or as a batch in which each line succeeds or fails alone."""

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar

import msgspec
import psycopg
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.urls import path
from django.utils.module_loading import import_string
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from opentelemetry.trace import SpanKind
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from commands.admission import Admission, Backlog
from commands.catalog import COMMANDS
from commands.connections import write_connection
from commands.counting import count_command
from commands.dispatch import Accepted, dispatch_many
from commands.errors import CommandError, InvalidCommand
from commands.event_log.read import event_exists, position_of
from commands.group_commit import joint_dispatch
from commands.idempotency import once, stored_response
from commands.rest_examples import ACCEPTED, BATCH_REQUEST, BATCH_RESPONSE, REFUSED, REQUESTS, RESULT
from commands.serializers import (
    PROBLEM,
    SERIALIZERS,
    AcceptedSerializer,
    BatchSerializer,
    CommandResultSerializer,
    Requested,
    as_requested,
    read_command,
)
from commands.strict_json import MalformedBody, decode, pointer_part
from commands.tracing import Origin, continued

logger = logging.getLogger(__name__)

COMMAND_BYTES = 16 * 1024 * 1024
BATCH_BYTES = 32 * 1024 * 1024
"""The longest bodies read; longer ones are answered with 413 before they are looked at."""
_BATCH_COMMANDS = 200
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_VERSION = re.compile(r'"?([0-9]{1,9})"?')
_TOKEN = re.compile(r"(?:event-)?([0-9]{1,18})")

_HEADERS = [
    OpenApiParameter(
        "traceparent",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        description="The W3C trace context of the request; it is kept with the events and handed on to whoever makes"
        " them readable.",
    ),
    OpenApiParameter(
        "Idempotency-Key",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        description="Makes a repeated request safe: the same key with the same body has its effect once and gets the"
        " same answer. At most 255 printable ASCII characters.",
    ),
    OpenApiParameter(
        "Expected-Version",
        OpenApiTypes.INT,
        OpenApiParameter.HEADER,
        description="The stream's version you decided on; another one is answered with 409. If-Match does the same.",
    ),
]


class BodyTooLarge(CommandError):
    """The body is longer than this address reads; send it in parts."""

    def __init__(self, *, most: int) -> None:
        super().__init__(
            code="body_too_large",
            message=f"The body is longer than {most} bytes.",
            fix="Send fewer commands in a request, or read files in with `manage.py ingest`.",
        )


class BytesParser(BaseParser):
    """Hands a JSON body on as it came, if it is not too long."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> bytes:
        body: bytes = stream.read(BATCH_BYTES + 1)
        return body


class LinesParser(BytesParser):
    """Hands a body with one JSON text on each line on as it came."""

    media_type = "application/x-ndjson"


@cache
def admission() -> Admission:
    """This will make the one look-out of this process for the backlog; the roof names who can tell its length."""
    read_backlog = import_string(settings.COMMANDS_BACKLOG)

    def read() -> Backlog:
        with write_connection(settings.FACTFOLD.database_url) as connection:
            backlog: Backlog = read_backlog(connection)
        return backlog

    return Admission(read)


class WriteView(APIView):
    """What every write has in common: who may, how long a body may be, and where the pool is."""

    parser_classes: ClassVar[Sequence[type[BaseParser]]] = [BytesParser]
    most_bytes = COMMAND_BYTES
    route = "/v1/commands/{id}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """This will refuse what need not be read: strangers, foreign hosts (DNS rebinding), bodies too long."""
        super().initial(request, *args, **kwargs)
        try:
            request.get_host()
        except DisallowedHost:
            raise CommandError(
                code="invalid_request",
                message="The Host header names a host this installation does not answer for.",
                fix="Use an address it was started for, or add the host to FACTFOLD_ALLOWED_HOSTS.",
            ) from None
        if not settings.FACTFOLD.anonymous:
            raise CommandError(
                code="unauthenticated",
                message="This installation does not accept anonymous requests.",
                fix="Start it with FACTFOLD_ANONYMOUS=true on loopback, or send an API key once keys are set up.",
            )
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise CommandError(
                code="unsupported_media_type",
                message="The body is compressed.",
                fix="Send it as it is, without Content-Encoding.",
            )
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > self.most_bytes:
            raise BodyTooLarge(most=self.most_bytes)
        if request.method == "POST":
            admission().check(settings.FACTFOLD)

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """This will answer within a span that continues the sender's trace."""
        with continued(
            f"{request.method} {self.route}",
            [Origin(request.headers.get("traceparent"), request.headers.get("tracestate"))],
            kind=SpanKind.SERVER,
            attributes={"http.request.method": str(request.method), "http.route": self.route},
        ) as span:
            response = super().dispatch(request, *args, **kwargs)
            span.set_attribute("http.response.status_code", response.status_code)
            return response

    def handle_exception(self, exc: Exception) -> Response:
        """This will answer for an exception, and for a database out of reach with 503: the command can be repeated."""
        if isinstance(exc, psycopg.OperationalError):
            logger.warning("the database is out of reach: %s", exc)
            exc = CommandError(
                code="unavailable",
                message="The database does not answer.",
                fix="Send the command again in a moment, with the same Idempotency-Key to be sure of one effect.",
            )
        if (name := getattr(self, "command_name", None)) is not None:
            count_command(name, outcome=exc.code if isinstance(exc, CommandError) else "failed")
        response: Response = super().handle_exception(exc)
        return response

    def body(self, request: Request) -> bytes:
        """This will return the body's bytes."""
        body = request.data
        if not isinstance(body, bytes):
            return b""
        if len(body) > self.most_bytes:
            raise BodyTooLarge(most=self.most_bytes)
        return body


def _refusals(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    return {
        (status, _PROBLEM): OpenApiResponse(
            PROBLEM,
            description=_REFUSED[status],
            examples=[OpenApiExample(_REFUSED[status], REFUSED[status], media_type=_PROBLEM)]
            if status in REFUSED
            else [],
        )
        for status in statuses
    }


_PROBLEM = "application/problem+json"
_REFUSED = {
    400: "The body is not JSON, or a header is not of its form",
    401: "Anonymous writing is off and no key was sent",
    404: "No such company, filing, command or id",
    409: "The stream has moved on, or the filing is withdrawn",
    413: "The body is too long",
    415: "The body is of another media type",
    422: "A field cannot be right, or the idempotency key belongs to another request",
    429: "Readers are too far behind; come again after Retry-After",
}


class CommandView(WriteView):
    """One command."""

    command_name: str

    def post(self, request: Request, name: str | None = None) -> Response:
        """This will carry the command out."""
        definition = COMMANDS.get(self.command_name)
        if definition is None:
            raise unknown_command(self.command_name, pointer="")
        body = self.body(request)
        requested = read_command(definition.type, decode(body))
        key = _idempotency_key(request)
        try:
            accepted = joint_dispatch(settings.FACTFOLD.database_url).dispatch(
                requested.command, size=len(body), idempotency_key=key, expected_version=_expected_version(request)
            )
        except InvalidCommand as error:
            raise as_requested(error, places=requested.places) from None
        count_command(self.command_name, outcome=_outcome_of(accepted))
        location = key or accepted.position_token
        return Response(
            _told(accepted), status=202, headers={"Location": f"/v1/commands/{location}"} if location else None
        )


def _view_of(name: str) -> type[CommandView]:
    serializer = SERIALIZERS[COMMANDS[name].type]

    class NamedCommandView(CommandView):
        command_name = name
        route = f"/v1/commands/{name}"

        @extend_schema(
            operation_id=f"commands_{name}",
            summary=(serializer.__doc__ or name).split(". ")[0].rstrip("."),
            description=" ".join((COMMANDS[name].type.__doc__ or "").split()),
            tags=["commands"],
            parameters=_HEADERS,
            request={"application/json": serializer},
            responses={
                202: OpenApiResponse(
                    AcceptedSerializer,
                    description="Accepted; also where nothing had to change",
                    examples=[OpenApiExample("Accepted", ACCEPTED)],
                ),
                **_refusals(400, 401, 404, 409, 413, 415, 422, 429),
            },
            examples=[OpenApiExample(name, REQUESTS[name], request_only=True)],
        )
        def post(self, request: Request, name: str | None = None) -> Response:
            return super().post(request, name)

    NamedCommandView.__name__ = NamedCommandView.__qualname__ = f"{name}View"
    return NamedCommandView


class CommandResultView(WriteView):
    """A command by its idempotency key or token; also what is sent to a command that does not exist."""

    @extend_schema(
        operation_id="commands_result",
        summary="What a command came to, and where it stands in the log",
        description="`id` is the idempotency key a command was sent with, the `token` of its answer, or an event id.",
        tags=["commands"],
        responses={
            200: OpenApiResponse(CommandResultSerializer, examples=[OpenApiExample("Sequenced", RESULT)]),
            **_refusals(401, 404),
        },
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002  # the name the path publishes
        with write_connection(settings.FACTFOLD.database_url) as connection:
            stored = stored_response(connection, key=id)
            answered: dict[str, Any] | None = msgspec.json.decode(stored.response) if stored else None
            token = id if answered is None else answered.get("position_token")
            match = _TOKEN.fullmatch(token or "")
            event_id = int(match.group(1)) if match else None
            position = None if event_id is None else position_of(connection, event_id=event_id)
            if answered is None and (event_id is None or not event_exists(connection, event_id=event_id)):
                raise _unknown_id(id)
            if answered is not None and "stream" in answered:
                answered = _told(msgspec.convert(answered, Accepted))
        state = "accepted" if position is None else "sequenced"
        return Response({"id": id, "state": state, "position": position, "response": answered})

    @extend_schema(exclude=True)
    def post(self, request: Request, id: str) -> Response:  # noqa: A002  # the name the path publishes
        """This will say that there is no such command."""
        raise unknown_command(id, pointer="")


class BatchView(WriteView):
    """Many commands."""

    parser_classes: ClassVar[Sequence[type[BaseParser]]] = [BytesParser, LinesParser]
    most_bytes = BATCH_BYTES
    route = "/v1/commands"

    @extend_schema(
        operation_id="commands_batch",
        summary="Send many commands; each line succeeds or fails alone",
        description="A JSON array, or NDJSON with one command on each line. Each is an object with the name of its"
        " command under `command` and the command's own fields beside it. Commands are carried out in order. With an"
        " idempotency key the whole batch has its effect once.",
        tags=["commands"],
        parameters=_HEADERS[:2],
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
            **_refusals(400, 401, 413, 415, 422, 429),
        },
        examples=[
            OpenApiExample("Array", BATCH_REQUEST, request_only=True, media_type="application/json"),
        ],
    )
    def post(self, request: Request) -> Response:
        """This will carry the commands out in order and say for each what it came to."""
        body = self.body(request)
        as_lines = request.content_type.startswith(LinesParser.media_type)
        key = _idempotency_key(request)
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
            count_command(type(requested.command).__name__, outcome=_outcome_of(outcome))
            if isinstance(outcome, CommandError):
                yield self._refused(line, outcome, request)
            else:
                yield {"line": line, "status": 202, **_told(outcome)}

    def _refused(self, line: int, error: CommandError, request: Request) -> dict[str, Any]:
        problem = api_settings.EXCEPTION_HANDLER(error, {"request": request, "view": self})
        return {"line": line, "status": problem.status_code, "problem": problem.data}


def unknown_command(name: str, *, pointer: str) -> CommandError:
    """This will say that there is no such command, and which there are."""
    return CommandError(
        code="unknown_command",
        message=f"{pointer + ': ' if pointer else ''}there is no command {pointer_part(name)}.",
        fix=f"Send one of {', '.join(COMMANDS)}.",
    )


def _unknown_id(id: str) -> CommandError:  # noqa: A002  # the name the path publishes
    return CommandError(
        code="unknown_command_id",
        message=f"No command has the idempotency key or token {pointer_part(id)}.",
        fix="Ask with the Idempotency-Key the command was sent with, or with the token of its answer.",
    )


def _told(accepted: Accepted) -> dict[str, Any]:
    return {
        "event_ids": list(accepted.event_ids),
        "stream": accepted.stream,
        "version": accepted.version,
        "token": accepted.position_token,
    }


def _outcome_of(outcome: Accepted | CommandError) -> str:
    if isinstance(outcome, CommandError):
        return outcome.code
    return "accepted" if outcome.event_ids else "unchanged"


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
    return enumerate(elements, start=1)


def _lines(body: bytes) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield number, decode(line)
        except CommandError as error:
            yield number, error


def _idempotency_key(request: Request) -> str | None:
    key: str | None = request.headers.get("Idempotency-Key")
    if key is None or _KEY.fullmatch(key):
        return key
    raise CommandError(
        code="invalid_idempotency_key",
        message="The Idempotency-Key is not of its form.",
        fix="Send 1 to 255 printable ASCII characters without blanks, such as a UUID.",
    )


def _expected_version(request: Request) -> int | None:
    sent = request.headers.get("Expected-Version") or request.headers.get("If-Match")
    if sent is None:
        return None
    match = _VERSION.fullmatch(sent)
    if match is None:
        raise CommandError(
            code="invalid_parameter",
            message=f"Expected-Version or If-Match is {pointer_part(sent)}, which is no version.",
            fix="Send the version an earlier answer gave, a whole number.",
        )
    return int(match.group(1))


urlpatterns = [
    path("v1/commands", BatchView.as_view(), name="command-batch"),
    *(path(f"v1/commands/{name}", _view_of(name).as_view(), name=f"command-{name}") for name in COMMANDS),
    path("v1/commands/<str:id>", CommandResultView.as_view(), name="command-result"),
]
