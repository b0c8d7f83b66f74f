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
from commands.rest.write_view import WriteView, refusals, told, unknown_command
from commands.strict_json import pointer_part

_TOKEN = re.compile(r"(?:event-)?([0-9]{1,18})")


class CommandResultView(WriteView):
    """A command by its idempotency key or token; also what is sent to a command that does not exist."""

    @extend_schema(
        operation_id="commands_result",
        summary="What a command came to, and where it stands in the log",
        description="`id` is the idempotency key a command was sent with, the `token` of its answer, or an event id.",
        tags=["commands"],
        responses={
            200: OpenApiResponse(CommandResultSerializer, examples=[OpenApiExample("Sequenced", RESULT)]),
            **refusals(401, 404),
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
                answered = told(msgspec.convert(answered, Accepted))
        state = "accepted" if position is None else "sequenced"
        return Response({"id": id, "state": state, "position": position, "response": answered})

    @extend_schema(exclude=True)
    def post(self, request: Request, id: str) -> Response:  # noqa: A002  # the name the path publishes
        """This will say that there is no such command."""
        raise unknown_command(id, pointer="")


def _unknown_id(id: str) -> CommandError:  # noqa: A002  # the name the path publishes
    return CommandError(
        code="unknown_command_id",
        message=f"No command has the idempotency key or token {pointer_part(id)}.",
        fix="Ask with the Idempotency-Key the command was sent with, or with the token of its answer.",
    )
