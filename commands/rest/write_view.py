"""What every write over REST has in common: what is refused unread, and how it is answered."""

import logging
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import psycopg
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.utils.module_loading import import_string
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from opentelemetry.trace import SpanKind
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from commands.admission import Admission, Backlog
from commands.catalog import COMMANDS
from commands.connections import write_connection
from commands.counting import count_command
from commands.dispatch import Accepted
from commands.errors import Busy, CommandError
from commands.rest.examples import REFUSED
from commands.rest.serializers import PROBLEM
from commands.strict_json import pointer_part
from commands.tracing import Origin, continued

logger = logging.getLogger(__name__)

HELD_BY_OTHERS = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
KEY_FORM = re.compile(r"[\x21-\x7e]{1,255}")
"""Of idempotency keys."""

HEADERS = [
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


class BytesParser(BaseParser):
    """Hands a JSON body on as it came; whoever hands it to Django has seen that it is not too long."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> bytes:
        body: bytes = stream.read()
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
    """What every write has in common: what is refused unread, and how it is answered."""

    parser_classes: ClassVar[Sequence[type[BaseParser]]] = [BytesParser]
    route = "/v1/commands/{id}"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """This will refuse what need not be looked at, such as what is sent to foreign hosts (DNS rebinding)."""
        super().initial(request, *args, **kwargs)
        try:
            request.get_host()
        except DisallowedHost:
            raise CommandError(
                code="invalid_request",
                message="The Host header names a host this installation does not answer for.",
                fix="Use an address it was started for, or add the host to FACTFOLD_ALLOWED_HOSTS.",
            ) from None
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise CommandError(
                code="unsupported_media_type",
                message="The body is compressed.",
                fix="Send it as it is, without Content-Encoding.",
            )
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
        """This will answer for an exception, and with 503 where the command can be repeated as it is."""
        if isinstance(exc, HELD_BY_OTHERS):
            exc = Busy()
        elif isinstance(exc, psycopg.OperationalError):
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
        return body if isinstance(body, bytes) else b""


def refusals(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """This will publish the problems an address may answer with."""
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
    404: "No such company, filing, command or id",
    409: "The stream has moved on, or the filing is withdrawn",
    413: "The body is too long",
    415: "The body is of another media type",
    422: "A field cannot be right, or the idempotency key belongs to another request",
    429: "Readers are too far behind; come again after Retry-After",
    503: "Others are writing to the same company, or the database is out of reach; come again after Retry-After",
}


def idempotency_key(request: Request) -> str | None:
    """
    This will read the key a request came with.

    Raises:
        CommandError: it is not of its form.
    """
    key: str | None = request.headers.get("Idempotency-Key")
    if key is None or KEY_FORM.fullmatch(key):
        return key
    raise CommandError(
        code="invalid_idempotency_key",
        message="The Idempotency-Key is not of its form.",
        fix="Send 1 to 255 printable ASCII characters without blanks, such as a UUID.",
    )


def told(accepted: Accepted) -> dict[str, Any]:
    """This will give an acceptance the form it is answered in."""
    return {
        "event_ids": list(accepted.event_ids),
        "stream": accepted.stream,
        "version": accepted.version,
        "token": accepted.position_token,
    }


def outcome_of(outcome: Accepted | CommandError) -> str:
    """This will name what a command came to, as it is counted."""
    if isinstance(outcome, CommandError):
        return outcome.code
    return "accepted" if outcome.event_ids else "unchanged"


def unknown_command(name: str, *, pointer: str) -> CommandError:
    """This will say that there is no such command, and which there are."""
    return CommandError(
        code="unknown_command",
        message=f"{pointer + ': ' if pointer else ''}there is no command {pointer_part(name)}.",
        fix=f"Send one of {', '.join(COMMANDS)}.",
    )
