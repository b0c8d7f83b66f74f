"""Rules for days and instants that enter the house."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from commands.errors import FieldError

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Figures are kept of these years. What is counted from a day, or moved to another offset, stays a date as well."""
_BEGIN = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
_END = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)


def day_errors(day: date | None, *, pointer: str) -> Iterator[FieldError]:
    """A day lies in the years of which figures are kept."""
    if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
        yield _out_of_years(pointer)


def instant_errors(instant: datetime | None, *, pointer: str) -> Iterator[FieldError]:
    """An instant says its offset from UTC and lies, in UTC, in the years of which figures are kept."""
    if instant is None:
        return
    if instant.tzinfo is None:
        yield FieldError(pointer=pointer, reason="has no offset from UTC", fix="write it like 2024-11-01T10:01:36Z")
    elif not _BEGIN <= instant < _END:
        yield _out_of_years(pointer)


def _out_of_years(pointer: str) -> FieldError:
    return FieldError(
        pointer=pointer, reason=f"is not in the years {FIRST_YEAR} to {LAST_YEAR}", fix="correct the year"
    )
