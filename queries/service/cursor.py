"""Where a page ended, as a text that can be passed back."""

import base64
import zlib
from decimal import Decimal
from typing import Any

import msgspec

from queries.errors import QueryError

_LARGEST_INTEGER = 2**63 - 1
_DIGITS_BEFORE_THE_POINT = 131_072
_DIGITS_BEHIND_THE_POINT = 16_383
"""What PostgreSQL's bigint and numeric can hold."""


def write_cursor(question: object, key: tuple[Any, ...]) -> str:
    """This will pack the key of a page's last row, tied to the question it belongs to."""
    body = msgspec.json.encode((_mark(question), key))
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def read_cursor[K](question: object, text: str, key: type[K]) -> K:
    """
    This will unpack a cursor into the key it holds, whose parts a table can be asked with.

    Raises:
        QueryError: the cursor is damaged or belongs to another question.
    """
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        mark, unpacked = msgspec.json.decode(body, type=tuple[int, key])  # type: ignore[valid-type]
    except (ValueError, msgspec.DecodeError):
        raise damaged() from None
    if mark != _mark(question):
        raise _invalid("the cursor belongs to another question")
    if not all(map(_can_be_asked_with, unpacked)):
        raise damaged()
    return unpacked


def damaged() -> QueryError:
    """This will build the error for a cursor that was not written here."""
    return _invalid("the cursor is damaged")


def _can_be_asked_with(part: Any) -> bool:
    match part:
        case str():
            return "\x00" not in part
        case int():
            return 0 <= part <= _LARGEST_INTEGER
        case Decimal():
            return _fits(part)
    return True


def _fits(number: Decimal) -> bool:
    _, _, exponent = number.as_tuple()
    return (
        isinstance(exponent, int)
        and exponent >= -_DIGITS_BEHIND_THE_POINT
        and number.adjusted() < _DIGITS_BEFORE_THE_POINT
    )


def _mark(question: object) -> int:
    return zlib.crc32(repr(question).encode())


def _invalid(message: str) -> QueryError:
    return QueryError(
        code="invalid_cursor",
        message=message,
        fix="Pass next_cursor unchanged with the same other parameters, or start again without cursor.",
    )
