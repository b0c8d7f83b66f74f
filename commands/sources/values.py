"""Rules for single values in filed data: decimals, dates and accession numbers."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, tzinfo

from commands.filings.validation import canonical_value
from commands.times import instant_errors

_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,24}")
_ACCESSION = re.compile(r"[0-9]{10}-[0-9]{2}-[0-9]{6}")
_CIK = re.compile(r"[0-9]{1,10}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ValueUnusable(ValueError):
    """A value breaks a rule of its kind; the message says which."""


def canonical_decimal(text: str) -> str:
    """
    This will give the one spelling of a decimal number: no exponent, no plus, no trailing zeros, never "-0".

    Raises:
        ValueUnusable: it is no finite number, or longer than any reported figure.
    """
    if _PLAIN_INTEGER.fullmatch(text):
        return text
    try:
        return canonical_value(text)
    except ValueError as error:
        raise ValueUnusable(
            f"the number {text[:24]}{'...' if len(text) > 24 else ''} cannot be kept: {error}"
        ) from None


def is_cik(text: str) -> bool:
    """Whether a text is a CIK, a number of one to ten digits."""
    return _CIK.fullmatch(text) is not None and int(text) > 0


def read_cik(text: str) -> int:
    """
    This will read a CIK.

    Raises:
        ValueUnusable: it is none.
    """
    if not is_cik(text):
        raise ValueUnusable(f"cik {text[:20]!r} is not a number of one to ten digits")
    return int(text)


def check_accession(text: str) -> None:
    """
    This will check that a text is an accession number such as 0000320193-23-000106.

    Raises:
        ValueUnusable: it is not.
    """
    if not _ACCESSION.fullmatch(text):
        raise ValueUnusable(f"accession {text[:40]!r} is not ten digits, two digits, six digits, joined by hyphens")


def parse_iso_date(text: str) -> date:
    """
    This will read a date written YYYY-MM-DD.

    Raises:
        ValueUnusable: it is written otherwise or does not exist.
    """
    if not _ISO_DATE.fullmatch(text):
        raise ValueUnusable(f"date {text[:40]!r} is not written YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueUnusable(f"date {text!r} does not exist") from None


def parse_compact_date(text: str) -> date:
    """
    This will read a date written YYYYMMDD.

    Raises:
        ValueUnusable: it is written otherwise or does not exist.
    """
    if not re.fullmatch(r"[0-9]{8}", text):
        raise ValueUnusable(f"date {text[:40]!r} is not written YYYYMMDD")
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise ValueUnusable(f"date {text!r} does not exist") from None


def parse_instant(text: str, *, zone: tzinfo) -> datetime:
    """
    This will read an instant written as in ISO 8601, in `zone` where it names no offset, and give it in UTC.

    Raises:
        ValueUnusable: it is written otherwise, does not exist, or lies in no year of which figures are kept.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueUnusable(f"instant {text[:40]!r} is no date and time") from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    for wrong in instant_errors(instant, pointer=""):
        raise ValueUnusable(f"instant {text[:40]!r} {wrong.reason}")
    return instant.astimezone(UTC)


def start_of_quarters(*, end: date, quarters: int) -> date:
    """
    This will give the first day of the period of so many quarters that ends with the month of `end`.

    The Financial Statement Data Sets round period ends to month ends and durations to quarters.
    """
    months = end.year * 12 + end.month - 3 * quarters
    return date(months // 12, months % 12 + 1, 1)


def month_end(day: date) -> date:
    """This will give the last day of a day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])
