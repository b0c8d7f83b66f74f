"""Answers as bytes: JSON with exact numbers, or CSV."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from queries.read_models.answer_meta import AnswerMeta
from queries.service.result import ReadyResult, Result

Numbers = Literal["number", "text"]

_JSON: dict[str, msgspec.json.Encoder] = {
    "number": msgspec.json.Encoder(decimal_format="number"),
    "text": msgspec.json.Encoder(decimal_format="string"),
}


def encode_json(result: Result | ReadyResult, *, numbers: Numbers) -> bytes:
    """This will build the envelope; values are exact decimal literals, or text where that was asked for."""
    if isinstance(result, ReadyResult) and numbers == "number":
        # next_cursor is always null here: groups come in one page.
        return b'{"data":%b,"meta":%b,"next_cursor":null}' % (result.rows_json, result.meta_json)
    whole = result.unpack() if isinstance(result, ReadyResult) else result
    encoder = _JSON[numbers]
    return b'{"data":%b,"meta":%b,"next_cursor":%b}' % (
        encoder.encode(whole.rows),
        encode_meta(whole.meta),
        encoder.encode(whole.meta.next_cursor),
    )


def encode_meta(meta: AnswerMeta) -> bytes:
    """This will write the meta object, its members in the order in which they lie ready in Redis."""
    return b'{"position":%d,"fresh_at":"%b","lag_ms":%d,"complete":%b,"as_of":%b,"source":"%b","next_cursor":%b,' % (
        meta.position,
        milliseconds(meta.fresh_at).encode(),
        meta.lag_ms,
        b"true" if meta.complete else b"false",
        msgspec.json.encode(meta.as_of),
        meta.source.encode(),
        msgspec.json.encode(meta.next_cursor),
    ) + b'"warnings":%b}' % msgspec.json.encode(meta.warnings)


def milliseconds(instant: datetime) -> str:
    """An instant in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode_csv(result: Result | ReadyResult) -> bytes:
    """This will write the rows as CSV under their column names; lists are joined by blanks, absent values are empty."""
    whole = result.unpack() if isinstance(result, ReadyResult) else result
    columns = whole.read_model.flat_columns
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(_cells(row, columns) for row in whole.rows)
    return text.getvalue().encode()


def _cells(row: msgspec.Struct, columns: tuple[str, ...]) -> Iterator[str]:
    return (_cell(getattr(row, name)) for name in columns)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case date():
            return str(msgspec.to_builtins(value))
        case Decimal():
            return format(value, "f")
        case list() | tuple():
            return " ".join(map(str, value))
    return str(value)
