"""
What a read model declares about itself.

A row is a frozen struct whose fields carry their help text, unit and example; the answer's JSON, the CSV header, the
OpenAPI component and the text agents read all follow from it.
"""

import types
import typing
from functools import cached_property
from typing import Any

import msgspec


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """
    One field of a row as a reader sees it. `type` is without None; `nullable` says whether None may occur, `optional`
    whether the field may be left out.
    """

    name: str
    type: Any
    nullable: bool
    help: str
    example: Any
    unit: str | None
    optional: bool = False


def column(text: str, *, example: Any, unit: str | None = None) -> msgspec.Meta:
    """This will describe a field of a row: help text for API users, an example value, the unit of its numbers."""
    return msgspec.Meta(description=text, examples=[example], extra={"unit": unit})


class ReadModel(msgspec.Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """
    A set of rows that can be asked for.

    `stored` maps each table to the columns read from it; `key` names the fields that tell rows apart;
    `cache_seconds` is how long an answer may be shown without asking again. `of_period` names the fields that tell of a
    period: rows that follow one another and agree in all others are one row to agents, with these as rows inside it.
    """

    name: str
    row: type[msgspec.Struct]
    key: tuple[str, ...]
    cache_seconds: int
    stored: dict[str, tuple[str, ...]] = {}
    of_period: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The fields of a row in their order."""
        return columns_of(self.row)

    @cached_property
    def cells(self) -> tuple[Column, ...]:
        """The fields that fit into a cell: everything except lists of rows and nested rows."""
        return tuple(column for column in self.columns if nested_row(column.type) is None)


def columns_of(row: type[msgspec.Struct]) -> tuple[Column, ...]:
    """This will read the declaration of a row from its annotations."""
    hints = typing.get_type_hints(row, include_extras=True)
    return tuple(_column(name, hints[name]) for name in row.__struct_fields__)


def _column(name: str, hint: Any) -> Column:
    inner, *extras = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    meta = next((extra for extra in extras if isinstance(extra, msgspec.Meta)), None)
    if meta is None or not meta.description:
        raise TypeError(f"{name} has no help text")
    options = typing.get_args(inner) if typing.get_origin(inner) in (typing.Union, types.UnionType) else (inner,)
    return Column(
        name=name,
        type=next(option for option in options if option not in (types.NoneType, msgspec.UnsetType)),
        nullable=types.NoneType in options,
        help=meta.description,
        example=(meta.examples or [None])[0],
        unit=(meta.extra or {}).get("unit"),
        optional=msgspec.UnsetType in options,
    )


def nested_row(kind: Any) -> type[msgspec.Struct] | None:
    """This will give the row type inside a field that holds a row or a list of rows."""
    candidates = (kind, *typing.get_args(kind))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, msgspec.Struct)), None)
