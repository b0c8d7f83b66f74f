"""What became of a command that was sent before."""

import re
from typing import Any

import msgspec
from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from commands.connections import write_connection
from commands.dispatch import Accepted
from commands.errors import CommandError
from commands.event_log.read import event_exists, position_of
from commands.idempotency import stored_response
from commands.rest.examples import RESULT
from commands.rest.serializers import CommandResultSerializer
from commands.rest.write_view import KEY_FORM, WriteView, refusals, told, unknown_command
from commands.strict_json import pointer_part

_TOKEN = re.compile(r"(?:event-)?([0-9]{1,18})")


class CommandResultView(WriteView):
    """A command by its idempotency key or token; also what is sent to a command that does not exist."""

    @extend_schema(
        operation_id="commands_result",
        summary="What a command came to, and where it stands in the log",
        description="`id` is the idempotency key a command or a batch was sent with, the `token` of an answer, or an"
        " event id, percent-encoded where it holds what an address may not.",
        tags=["Commands"],
        responses={
            200: OpenApiResponse(CommandResultSerializer, examples=[OpenApiExample("Sequenced", RESULT)]),
            **refusals(404),
        },
    )
    def get(self, request: Request, id: str) -> Response:  # noqa: A002  # the name the path publishes
        return Response(result_of(id))

    @extend_schema(exclude=True)
    def post(self, request: Request, id: str) -> Response:  # noqa: A002  # the name the path publishes
        """This will say that there is no such command."""
        raise unknown_command(id, pointer="")


def result_of(id: str) -> dict[str, Any]:  # noqa: A002  # the name the path publishes
    """
    This will say what became of the command or batch sent with an idempotency key, or of the event a token names.

    Raises:
        CommandError: there is no such key and no such event.
    """
    if not KEY_FORM.fullmatch(id):
        raise _unknown_id(id)
    with write_connection(settings.FACTFOLD.database_url) as connection:
        stored = stored_response(connection, key=id)
        answered: dict[str, Any] | None = msgspec.json.decode(stored.response) if stored else None
        event_id = _event_named(id) if answered is None else _last_event(answered)
        position = None if event_id is None else position_of(connection, event_id=event_id)
        if answered is None and (event_id is None or not event_exists(connection, event_id=event_id)):
            raise _unknown_id(id)
    if answered is not None and "stream" in answered:
        answered = told(msgspec.convert(answered, Accepted))
    is_awaited = event_id is not None and position is None
    return {"id": id, "state": "accepted" if is_awaited else "sequenced", "position": position, "response": answered}


def _event_named(token: str | None) -> int | None:
    match = _TOKEN.fullmatch(token or "")
    return int(match.group(1)) if match else None


def _last_event(answered: dict[str, Any]) -> int | None:
    """The newest event of a command's answer, or of a batch's: it gets its position last."""
    lines = answered.get("data", [{"token": answered.get("position_token")}])
    return max((event for line in lines if (event := _event_named(line.get("token"))) is not None), default=None)


def _unknown_id(id: str) -> CommandError:  # noqa: A002  # the name the path publishes
    return CommandError(
        code="unknown_command_id",
        message=f"No command has the idempotency key or token {pointer_part(id)}.",
        fix="Ask with the Idempotency-Key the command was sent with, or with the token of its answer.",
    )
