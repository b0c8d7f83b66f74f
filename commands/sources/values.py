"""Rules for single values in filed data: decimals, dates and accession numbers."""

import re
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

MOST_DIGITS = 60
"""More digits before or after the decimal point than any reported figure has, and fewer than a typing error can have."""

_PLAIN_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,%d})" % (MOST_DIGITS - 1))
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?")
_ACCESSION = re.compile(r"[0-9]{10}-[0-9]{2}-[0-9]{6}")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ValueUnusable(ValueError):
    """A value breaks a rule of its kind; the message says which."""


def canonical_decimal(text: str) -> str:
    """
    This will give the one spelling of a decimal number: no exponent, no plus, no trailing zeros, never "-0".

    Raises:
        ValueUnusable: it is no finite number, or has more than `MOST_DIGITS` digits on a side of its point.
    """
    if _PLAIN_INTEGER.fullmatch(text):
        return "0" if text == "-0" else text
    if not _NUMBER.fullmatch(text):
        raise ValueUnusable(f"{text[:40]!r} is not a finite decimal number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueUnusable(f"{text[:40]!r} is not a finite decimal number") from None
    if not number:
        return "0"
    if number.adjusted() >= MOST_DIGITS:
        raise ValueUnusable(f"the number {text[:24]}... has more than {MOST_DIGITS} digits before its decimal point")
    if number.as_tuple().exponent < -4 * MOST_DIGITS:  # type: ignore[operator]  # it is finite: the pattern says so
        raise ValueUnusable(f"the number {text[:24]}... has more than {MOST_DIGITS} digits after its decimal point")
    whole, _, fraction = format(number, "f").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > MOST_DIGITS:
        raise ValueUnusable(f"the number {text[:24]}... has more than {MOST_DIGITS} digits after its decimal point")
    return f"{whole}.{fraction}" if fraction else whole


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


def start_of_quarters(*, end: date, quarters: int) -> date:
    """
    This will give the first day of the period of so many quarters that ends with the month of `end`.

    The Financial Statement Data Sets round period ends to month ends and durations to quarters.
    """
    months = end.year * 12 + end.month - 3 * quarters
    return date(months // 12, months % 12 + 1, 1)


def month_end(day: date) -> date:
    """This will give the last day of a day's month."""
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return following - timedelta(days=1)
