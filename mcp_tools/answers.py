"""Answers in the shape agents read at the least cost: column names once, then rows of cells."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from queries.errors import QueryError
from queries.read_models.declaration import Column, columns_of, nested_row
from queries.rest.encoding import encode_meta
from queries.service.result import ReadyResult, Result

MAX_ANSWER_BYTES = 60_000
_NOT_READ = -32010
"""Of the JSON-RPC codes every server may give a meaning of its own."""


class Refusal(Protocol):
    """What an agent is told of any error: a stable code, what is so, and what to do."""

    code: str
    message: str
    fix: str


def table(result: Result | ReadyResult) -> dict[str, Any]:
    """
    This will shape a result as `columns`, `rows` and `meta`. Exact values become decimal text.

    Raises:
        QueryError: the answer is larger than an agent can read.
    """
    whole = result.unpack() if isinstance(result, ReadyResult) else result
    columns = whole.read_model.columns
    nested = {column.name: row for column in columns if (row := nested_row(column.type)) is not None}
    answer: dict[str, Any] = {
        "columns": [column.name for column in columns],
        "rows": [_cells(row, columns) for row in whole.rows],
    }
    if nested:
        answer["nested_columns"] = {name: list(row.__struct_fields__) for name, row in nested.items()}
    answer["meta"] = msgspec.json.decode(encode_meta(whole.meta))
    if len(encode(answer)) > MAX_ANSWER_BYTES:
        raise QueryError(
            code="answer_too_large",
            message=f"the answer has {len(whole.rows)} rows and is larger than {MAX_ANSWER_BYTES} bytes",
            fix="Ask for fewer companies, metrics, periods, groups or kinds, or a smaller limit.",
        )
    return answer


def refusal(error: Refusal) -> dict[str, Any]:
    """This will shape an error as an agent can act on it."""
    told: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "fix": error.fix,
        "candidates": list(getattr(error, "candidates", ())),
    }
    if (position := getattr(error, "position", None)) is not None:
        told["position"] = position
    return told


def protocol_error(error: Refusal) -> bytes:
    """This will shape an error for one whose message is not read at all: as an answer of the protocol without an id."""
    told = {"code": _NOT_READ, "message": f"{error.message} {error.fix}", "data": refusal(error)}
    return encode({"jsonrpc": "2.0", "id": None, "error": told}).encode()


def encode(answer: dict[str, Any]) -> str:
    """The compact JSON of an answer, the same for content and structured content."""
    return msgspec.json.encode(answer).decode()


def _cells(row: msgspec.Struct, columns: Iterable[Column]) -> list[Any]:
    return [_cell(getattr(row, column.name)) for column in columns]


def _cell(value: Any) -> Any:
    match value:
        case Decimal():
            return format(value, "f")
        case date():
            return msgspec.to_builtins(value)
        case msgspec.Struct():
            return _cells(value, columns_of(type(value)))
        case list() | tuple():
            return [_cell(part) for part in value]
    return value
