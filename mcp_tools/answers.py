"""Answers in the shape agents read at the least cost: column names once, then rows of cells."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, Protocol

import msgspec

from queries.errors import QueryError
from queries.read_models.answer_meta import AnswerMeta
from queries.read_models.declaration import Column, ReadModel, columns_of, nested_row
from queries.rest.encoding import encode_meta
from queries.service.result import ReadyResult, Result

MAX_ANSWER_BYTES = 60_000
_PERIODS = "periods"
"""The column that holds the periods of rows that are told as one."""
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

    Of an answer larger than an agent can read the first rows are told, where one can go on behind them.

    Raises:
        QueryError: the answer is too large and tells all of its rows or none.
    """
    whole = result.unpack() if isinstance(result, ReadyResult) else result
    rows, meta = whole.rows, whole.meta
    while (size := len(encode(answer := _shaped(whole.read_model, rows, meta)).encode())) > MAX_ANSWER_BYTES:
        count = len(rows) * MAX_ANSWER_BYTES // size
        if whole.meta_of_first is None or count == 0:
            raise QueryError(
                code="answer_too_large",
                message=f"the answer has {len(whole.rows)} rows and is larger than {MAX_ANSWER_BYTES} bytes",
                fix="Ask for fewer companies, metrics, periods, groups or kinds, or a smaller limit.",
            )
        rows, meta = whole.rows[:count], whole.meta_of_first(count)
    return answer


def _shaped(read_model: ReadModel, rows: Sequence[msgspec.Struct], meta: AnswerMeta) -> dict[str, Any]:
    of_period = [column for column in read_model.columns if column.name in read_model.of_period]
    columns = [column for column in read_model.columns if column not in of_period]
    names = [column.name for column in columns]
    cells: Iterable[list[Any]] = (_cells(row, columns) for row in rows)
    nested = {column.name: list(row.__struct_fields__) for column in columns if (row := nested_row(column.type))}
    if of_period:
        names.append(_PERIODS)
        cells = _together(rows, columns, of_period)
        nested[_PERIODS] = [column.name for column in of_period]
    answer: dict[str, Any] = {"columns": names, "rows": list(cells)}
    if nested:
        answer["nested_columns"] = nested
    answer["meta"] = msgspec.json.decode(encode_meta(meta))
    return answer


def _together(
    rows: Sequence[msgspec.Struct], columns: Sequence[Column], of_period: Sequence[Column]
) -> Iterator[list[Any]]:
    """Rows that agree but for their periods as one, with a list of these; it is empty where they tell of none."""
    for shared, alike in groupby(rows, key=lambda row: _cells(row, columns)):
        periods = [_cells(row, of_period) for row in alike]
        yield [*shared, [period for period in periods if any(cell is not None for cell in period)]]


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
