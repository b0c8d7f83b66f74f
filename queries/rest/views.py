"""
The operations as Django REST framework views: what drf-spectacular reads to write the OpenAPI document.

The ASGI application answers these paths before Django is asked, from the same declarations.
"""

from functools import cache
from typing import Any

import msgspec
from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from queries.errors import QueryError
from queries.read_models.answer_meta import AnswerMeta, ConditionOutcome, ScreenOutcome
from queries.read_models.change import CHANGE
from queries.read_models.declaration import Column, columns_of, nested_row
from queries.rest.catalog import CHANGE_STREAM, OPERATIONS
from queries.rest.operation import Operation, Question
from queries.rest.schemas import argument_schema, column_schema
from queries.service.arguments import Argument, arguments_of

_NUMBERS = OpenApiParameter(
    "numbers",
    {"type": "string", "enum": ["number", "text"], "default": "number", "examples": ["text"]},
    OpenApiParameter.QUERY,
    description="How exact values are written: as JSON numbers, or as text for readers whose numbers lose digits.",
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string", "maxLength": 200, "examples": ['"48210-9c1185a5c5e9fc54"']},
    OpenApiParameter.HEADER,
    description="ETag of an answer you hold; 304 without a body says it still stands.",
)


_LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    {"type": "string", "maxLength": 300, "examples": ["48210"]},
    OpenApiParameter.HEADER,
    description="The id of the last event read: the stream goes on behind it. Browsers send it by themselves.",
)


@cache
def serializer_of(row: type[msgspec.Struct]) -> type[serializers.Serializer[Any]]:
    """This will make the serializer that stands for a row in the OpenAPI document."""
    fields: dict[str, Any] = {column.name: _field(column) for column in columns_of(row)}
    return type(f"{row.__name__}Serializer", (serializers.Serializer,), {**fields, "__doc__": row.__doc__})


def declare(operation: Operation) -> type[APIView]:
    """This will make the view that declares an operation."""

    def get(self: APIView, request: Request, **words: str) -> Response:
        raise _answered_elsewhere()

    answer = type(
        f"{operation.operation_id[0].upper()}{operation.operation_id[1:]}AnswerSerializer",
        (serializers.Serializer,),
        {
            "data": serializer_of(operation.read_model.row)(many=True, help_text="The rows."),
            "meta": serializer_of(AnswerMeta)(help_text="Freshness, completeness and source of the answer."),
            "next_cursor": _field(
                Column(
                    name="next_cursor",
                    type=str,
                    nullable=True,
                    help="Pass it as cursor for the next page; null on the last page.",
                    example=None,
                    unit=None,
                )
            ),
            "__doc__": f"Answer of {operation.operation_id}.",
        },
    )
    declared = [_parameter(argument) for argument in arguments_of(operation.query).values()]
    description = operation.description
    if operation.exported:
        description += " With `.csv` or `.parquet` behind the path the whole answer, all its pages, comes as a file."
    extensions = {"x-mcp-tool": msgspec.to_builtins(operation.tool)} if operation.tool else None
    annotated = extend_schema(
        operation_id=operation.operation_id,
        tags=[operation.tag],
        summary=operation.summary,
        description=description,
        parameters=[*declared, _NUMBERS, _IF_NONE_MATCH],
        responses={200: OpenApiResponse(answer, description="The rows and how fresh they are.")},
        examples=[OpenApiExample("example", value=_example(operation), response_only=True, status_codes=["200"])],
        extensions=extensions,
    )(get)
    return type(f"{operation.operation_id}View", (APIView,), {"get": annotated, "__doc__": description})


def declare_stream(stream: Question) -> type[APIView]:
    """This will make the view that declares a question whose answer is a stream of events."""

    def get(self: APIView, request: Request) -> Response:
        raise _answered_elsewhere()

    row = {column.name: column.example for column in CHANGE.columns}
    data = msgspec.json.encode({"position": row["position"], "data": [row]}).decode()
    event = f"id: {row['position']}\nevent: changes\ndata: {data}\n\n"
    annotated = extend_schema(
        operation_id=stream.operation_id,
        tags=[stream.tag],
        summary=stream.summary,
        description=stream.description,
        parameters=[
            *(_parameter(argument) for argument in arguments_of(stream.query).values()),
            _NUMBERS,
            _LAST_EVENT_ID,
        ],
        responses={(200, "text/event-stream"): OpenApiResponse({"type": "string"}, description="Events without end.")},
        examples=[
            OpenApiExample(
                "example", value=event, response_only=True, status_codes=["200"], media_type="text/event-stream"
            )
        ],
    )(get)
    return type(f"{stream.operation_id}View", (APIView,), {"get": annotated, "__doc__": stream.description})


def _answered_elsewhere() -> QueryError:
    return QueryError(
        code="unavailable",
        message="reads are answered by the ASGI application, not by Django",
        fix="Serve `config.asgi:application`.",
    )


def _field(column: Column) -> serializers.Field[Any, Any, Any, Any]:
    row = nested_row(column.type)
    if row is not None:
        many = column.type is not row
        return serializer_of(row)(many=many, required=not column.optional, help_text=column.help)
    declared = extend_schema_field(column_schema(column))(type("DeclaredField", (serializers.Field,), {}))
    field: serializers.Field[Any, Any, Any, Any] = declared()
    return field


def _parameter(argument: Argument) -> OpenApiParameter:
    """
    The argument as it is documented.

    Pages that send questions fill in the example of a parameter, but not those of its schema. So an example that is
    only one way to ask stands there, and a question sent as it was filled in has an answer.
    """
    example = argument.meta.examples[0] if argument.meta.examples else None
    schema = argument_schema(argument)
    return OpenApiParameter(
        argument.name,
        schema if argument.required else {**schema, "examples": [example]},
        OpenApiParameter.PATH if argument.in_path else OpenApiParameter.QUERY,
        required=argument.required,
        description=argument.meta.description or "",
        examples=[OpenApiExample("example", value=example)] if argument.required else [],
        style="form" if argument.is_list else None,
        explode=argument.repeated if argument.is_list else None,
    )


def _example(operation: Operation) -> dict[str, Any]:
    meta = {column.name: column.example for column in columns_of(AnswerMeta) if not column.optional}
    if operation.operation_id == "screenCompanies":
        condition = {column.name: column.example for column in columns_of(ConditionOutcome)}
        outcome = {column.name: column.example for column in columns_of(ScreenOutcome)}
        meta["screen"] = {**outcome, "conditions": [condition]}
    if operation.operation_id == "getAggregates":
        meta["source"] = "redis"
    return {"data": [dict(row) for row in operation.example], "meta": meta, "next_cursor": None}


urlpatterns: list[URLPattern] = [
    path(
        operation.path.lstrip("/").replace("{", "<str:").replace("}", ">"),
        declare(operation).as_view(),
        name=operation.operation_id,
    )
    for operation in OPERATIONS
]
urlpatterns.append(
    path(CHANGE_STREAM.path.lstrip("/"), declare_stream(CHANGE_STREAM).as_view(), name=CHANGE_STREAM.operation_id)
)
