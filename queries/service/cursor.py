"""Where a page ended, as a text that can be passed back."""

import base64
import binascii
import zlib
from typing import Any

import msgspec

from queries.errors import QueryError


def write_cursor(question: object, key: tuple[Any, ...]) -> str:
    """This will pack the key of a page's last row, tied to the question it belongs to."""
    body = msgspec.json.encode((_mark(question), *key))
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def read_cursor[K](question: object, text: str, key: type[K]) -> K:
    """
    This will unpack a cursor into the key it holds.

    Raises:
        QueryError: the cursor is damaged or belongs to another question.
    """
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        mark, *values = msgspec.json.decode(body, type=list[Any])
        unpacked = msgspec.convert(values, key)
    except (binascii.Error, ValueError, msgspec.ValidationError, msgspec.DecodeError):
        raise _invalid("the cursor is damaged") from None
    if mark != _mark(question):
        raise _invalid("the cursor belongs to another question")
    return unpacked


def _mark(question: object) -> int:
    return zlib.crc32(repr(question).encode())


def _invalid(message: str) -> QueryError:
    return QueryError(
        code="invalid_cursor",
        message=message,
        fix="Pass next_cursor unchanged with the same other parameters, or start again without cursor.",
    )
