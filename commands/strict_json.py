"""
JSON that leaves no doubt about what was meant.

Numbers keep their own text, a repeated key or a NaN is an error, and an error names its place.
"""

import json
from collections.abc import Iterator
from typing import Any

from commands.errors import CommandError, FieldError


class Number(str):
    """A JSON number as it was written, digit for digit."""

    __slots__ = ()


class MalformedBody(CommandError):
    """The body is not the JSON it claims to be; mend it at the place named."""

    def __init__(self, *, reason: str, fix: str, pointer: str = "") -> None:
        place = f"{pointer}: " if pointer else ""
        super().__init__(
            code="invalid_body",
            message=f"{place}{reason}",
            fix=fix,
            errors=(FieldError(pointer=pointer, reason=reason, fix=fix),),
        )


class _Repeating(dict[str, Any]):
    repeated: str


class _NotANumber(str):
    __slots__ = ()


class _Reading:
    def __init__(self) -> None:
        self.doubtful = False

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        self.doubtful = True
        repeating = _Repeating(found)
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                repeating.repeated = key
                break
            seen.add(key)
        return repeating

    def constant(self, name: str) -> _NotANumber:
        self.doubtful = True
        return _NotANumber(name)


def decode(body: bytes) -> Any:
    """
    This will decode a JSON text; every number becomes a `Number`.

    Raises:
        MalformedBody: naming line and column, or the JSON pointer of a repeated key, NaN or infinity.
    """
    reading = _Reading()
    try:
        value = json.loads(
            body.decode(),
            object_pairs_hook=reading.object,
            parse_constant=reading.constant,
            parse_int=Number,
            parse_float=Number,
        )
    except UnicodeDecodeError as error:
        raise MalformedBody(reason=f"byte {error.start} is not UTF-8", fix="send the text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise MalformedBody(
            reason=f"not JSON at line {error.lineno} column {error.colno}: {error.msg}", fix="correct the JSON there"
        ) from None
    except RecursionError:
        raise MalformedBody(reason="nested too deep", fix="send the structure that is documented") from None
    if reading.doubtful:
        raise next(_doubts(value, ""))
    return value


def pointer_part(key: str) -> str:
    """This will write a key as a part of a JSON pointer (RFC 6901), in printable ASCII and not too long."""
    return ascii(key[:60])[1:-1].replace("~", "~0").replace("/", "~1")


def _doubts(value: Any, pointer: str) -> Iterator[MalformedBody]:
    if isinstance(value, _NotANumber):
        yield MalformedBody(
            pointer=pointer or "/",
            reason=f"{value} is not a JSON number",
            fix="send a finite number, or leave the fact out",
        )
    elif isinstance(value, dict):
        if isinstance(value, _Repeating):
            yield MalformedBody(
                pointer=f"{pointer}/{pointer_part(value.repeated)}",
                reason="this key stands twice in one object",
                fix="keep the one that is meant",
            )
        for key, part in value.items():
            yield from _doubts(part, f"{pointer}/{pointer_part(key)}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _doubts(part, f"{pointer}/{index}")
