"""One command a request."""

import re
from urllib.parse import quote

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from commands.catalog import COMMANDS
from commands.counting import count_command
from commands.errors import CommandError, InvalidCommand
from commands.group_commit import joint_dispatch
from commands.rest.command_result import result_of
from commands.rest.examples import ACCEPTED, REQUESTS
from commands.rest.serializers import SERIALIZERS, AcceptedSerializer, as_requested, read_command
from commands.rest.write_view import (
    HEADERS,
    WriteView,
    idempotency_key,
    outcome_of,
    refusals,
    told,
)
from commands.strict_json import decode, pointer_part

_VERSION = re.compile(r'"?([0-9]{1,9})"?')


class CommandView(WriteView):
    """One command."""

    command_name: str

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        """This will say what became of what was sent with the command's name for its idempotency key."""
        return Response(result_of(self.command_name))

    def post(self, request: Request) -> Response:
        """This will carry the command out."""
        body = self.body(request)
        requested = read_command(COMMANDS[self.command_name].type, decode(body))
        key = idempotency_key(request)
        try:
            accepted = joint_dispatch(settings.FACTFOLD.database_url).dispatch(
                requested.command, size=len(body), idempotency_key=key, expected_version=_expected_version(request)
            )
        except InvalidCommand as error:
            raise as_requested(error, places=requested.places) from None
        count_command(self.command_name, outcome=outcome_of(accepted))
        location = key or accepted.position_token
        return Response(
            told(accepted),
            status=202,
            headers={"Location": f"/v1/commands/{quote(location, safe='')}"} if location else None,
        )


def view_of(name: str) -> type[CommandView]:
    """This will make the view of a command, with what is published of it."""
    serializer = SERIALIZERS[COMMANDS[name].type]

    class NamedCommandView(CommandView):
        command_name = name
        route = f"/v1/commands/{name}"

        @extend_schema(
            operation_id=f"commands_{name}",
            summary=(serializer.__doc__ or name).split(". ")[0].rstrip("."),
            description=" ".join((COMMANDS[name].type.__doc__ or "").split()),
            tags=["Commands"],
            parameters=HEADERS,
            request={"application/json": serializer},
            responses={
                202: OpenApiResponse(
                    AcceptedSerializer,
                    description="Accepted; also where nothing had to change",
                    examples=[OpenApiExample("Accepted", ACCEPTED)],
                ),
                **refusals(400, 404, 409, 413, 415, 422, 429, 503),
            },
            examples=[OpenApiExample(name, REQUESTS[name], request_only=True)],
        )
        def post(self, request: Request) -> Response:
            return super().post(request)

    NamedCommandView.__name__ = NamedCommandView.__qualname__ = f"{name}View"
    return NamedCommandView


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
