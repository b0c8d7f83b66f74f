"""JSON Schema of what can be asked and answered, from the declarations of queries and rows."""

import types
import typing
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from queries.read_models.declaration import Column, nested_row
from queries.service.arguments import Argument

Schema = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    # A number is an exact literal; numbers=text sends the same digits as text.
    Decimal: {"oneOf": [{"type": "number"}, {"type": "string", "format": "decimal"}]},
}


def column_schema(column: Column) -> Schema:
    """This will describe a field that holds no rows."""
    schema = dict(_value_schema(column.type))
    if column.nullable:
        schema = _or_null(schema)
    schema["description"] = column.help
    if column.example is not None:
        schema["examples"] = [column.example]
    if column.unit is not None:
        schema["x-unit"] = column.unit
    return schema


def argument_schema(argument: Argument) -> Schema:
    """This will describe what an argument may be, without help text."""
    schema: Schema
    meta = argument.meta
    if argument.is_list:
        items = _text_schema(typing.get_args(argument.kind)[0])
        schema = {"type": "array", "items": _listed(items, argument.of), **_limits(meta, length="Items")}
    elif argument.choices:
        schema = {"type": "string", "enum": list(argument.choices)}
    elif argument.kind is int:
        schema = {"type": "integer", **_limits(meta, length="")}
    else:
        schema = _listed({"type": "string", **_limits(meta, length="Length")}, argument.of)
    if not argument.required and argument.default is not None:
        schema["default"] = argument.default
    return schema


def _value_schema(kind: Any) -> Schema:
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin = typing.get_origin(kind)
    if origin is Literal:
        return {"type": "string", "enum": list(typing.get_args(kind))}
    if origin in (list, tuple):
        return {"type": "array", "items": _value_schema(typing.get_args(kind)[0])}
    raise TypeError(f"no schema for {kind!r}; nested rows are {nested_row(kind)!r}")


def _or_null(schema: Schema) -> Schema:
    if "oneOf" in schema:
        return {"oneOf": [*schema["oneOf"], {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def _text_schema(kind: Any) -> Schema:
    if typing.get_origin(kind) is typing.Annotated:
        kind, meta = typing.get_args(kind)[:2]
        return {**_SCALARS[kind], **_limits(meta, length="Length")}
    if typing.get_origin(kind) is Literal:
        return _value_schema(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        raise TypeError(f"items of one kind only, not {kind!r}")
    return _value_schema(kind)


def _listed(schema: Schema, component: str | None) -> Schema:
    """The schema of a text, bound to the component that lists what it may be."""
    return schema if component is None else {**schema, "allOf": [{"$ref": f"#/components/schemas/{component}"}]}


def _limits(meta: msgspec.Meta, *, length: str) -> Schema:
    limits = {
        "minimum": meta.ge,
        "maximum": meta.le,
        f"min{length}": meta.min_length,
        f"max{length}": meta.max_length,
        "pattern": meta.pattern,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}
