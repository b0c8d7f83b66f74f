"""Answers as bytes: JSON with exact numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

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
        next_cursor = b"null" if result.next_cursor is None else msgspec.json.encode(result.next_cursor)
        return b'{"data":%b,"meta":%b,"next_cursor":%b}' % (result.rows_json, result.meta_json, next_cursor)
    whole = result.unpack() if isinstance(result, ReadyResult) else result
    encoder = _JSON[numbers]
    return b'{"data":%b,"meta":%b,"next_cursor":%b}' % (
        encoder.encode(whole.rows),
        encode_meta(whole.meta),
        encoder.encode(whole.meta.next_cursor),
    )


def encode_rows(rows: Sequence[msgspec.Struct], *, numbers: Numbers) -> bytes:
    """This will write rows as a JSON array on one line."""
    return _JSON[numbers].encode(rows)


def encode_meta(meta: AnswerMeta) -> bytes:
    """This will write the meta object, its members in the order in which they lie ready in Redis."""
    screen = b"" if meta.screen is msgspec.UNSET else b',"screen":%b' % msgspec.json.encode(meta.screen)
    return b'{"position":%d,"fresh_at":"%b","lag_ms":%d,"complete":%b,"as_of":%b,"source":"%b","next_cursor":%b,' % (
        meta.position,
        milliseconds(meta.fresh_at).encode(),
        meta.lag_ms,
        b"true" if meta.complete else b"false",
        msgspec.json.encode(meta.as_of),
        meta.source.encode(),
        msgspec.json.encode(meta.next_cursor),
    ) + b'"warnings":%b%b}' % (msgspec.json.encode(meta.warnings), screen)


def milliseconds(instant: datetime) -> str:
    """An instant in UTC, to the millisecond."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
