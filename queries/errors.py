"""Why a question got no answer, in words that tell how to ask it better."""

from collections.abc import Sequence

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one part of a question: where it is, why, and what would be right."""

    pointer: str
    reason: str
    fix: str


class QueryError(Exception):
    """
    A question that cannot be answered as it was asked.

    `code` is stable and the same over REST and MCP; `fix` says what to change; `candidates` are near matches to pick
    from. `position` and `retry_after_seconds` are given where waiting would help.
    """

    def __init__(
        self,
        *,
        code: str,
        message: str,
        fix: str,
        candidates: Sequence[str] = (),
        errors: Sequence[FieldError] = (),
        position: int | None = None,
        retry_after_seconds: int | None = None,
        allow: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.candidates = tuple(candidates)
        self.errors = tuple(errors)
        self.position = position
        self.retry_after_seconds = retry_after_seconds
        self.allow = allow


def invalid_parameter(*errors: FieldError) -> QueryError:
    """This will build the error for parameters that do not fit their declaration."""
    return QueryError(
        code="invalid_parameter",
        message="; ".join(f"{error.pointer}: {error.reason}" for error in errors),
        fix="; ".join(dict.fromkeys(error.fix for error in errors)),
        errors=errors,
    )


def unavailable(message: str) -> QueryError:
    """This will build the error for a server that cannot be reached or is too busy now."""
    return QueryError(
        code="unavailable",
        message=message,
        fix="Ask again in a moment; the figures themselves are safe.",
        retry_after_seconds=1,
    )


def not_reached(position: int, *, reached: int) -> QueryError:
    """This will build the error for a position the figures have not come to."""
    return QueryError(
        code="position_not_reached",
        message=f"the figures stand at position {reached}, not yet at {position}",
        fix="Ask again after the time in Retry-After, or for an earlier position.",
        position=reached,
        retry_after_seconds=1,
    )


def not_placed(token: str, *, reached: int) -> QueryError:
    """This will build the error for a command whose event has no position yet."""
    return QueryError(
        code="position_not_reached",
        message=f"{token} has no position yet; the figures stand at position {reached}",
        fix="Ask again after the time in Retry-After.",
        position=reached,
        retry_after_seconds=1,
    )


def unknown_token(token: str) -> QueryError:
    """This will build the error for a token no command was answered with."""
    return QueryError(
        code="unknown_command_id",
        message=f"no command was answered with the token {token}",
        fix="Pass the token of a command's answer, or the position in meta of an answer here.",
    )
