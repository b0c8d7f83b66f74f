"""What can be said of a filing."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from commands.errors import FieldError
from commands.filings.events import ConceptFacts
from commands.text import text_error

MOST_DIGITS = 30
"""Significant digits a value may have, and the furthest its first digit may stand from the decimal point."""
_MOST_ERRORS = 50
_ACCESSION = re.compile(r"[0-9]{10}-[0-9]{2}-[0-9]{6}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,24}|-?(?:0|[1-9][0-9]{0,14})\.[0-9]{0,13}[1-9]")


def accession_errors(accession: str, *, pointer: str = "/accession") -> Iterator[FieldError]:
    """An accession number is written NNNNNNNNNN-NN-NNNNNN (EDGAR Filer Manual)."""
    if not _ACCESSION.fullmatch(accession):
        yield FieldError(
            pointer=pointer,
            reason=f"{accession[:40]!r} is no accession number",
            fix="write ten, two and six digits joined by hyphens, such as 0000320193-24-000123",
        )


def form_errors(form: str) -> Iterator[FieldError]:
    """A form type is a short line such as 10-K/A."""
    if error := text_error("/form", form, longest=40):
        yield error


@lru_cache(maxsize=65536)
def canonical_value(text: str) -> str:
    """
    This will write an exact decimal in the one way in which it is kept: no exponent, no needless zeros.

    Raises:
        ValueError: it is no finite decimal, or longer than MOST_DIGITS allows; the message says which.
    """
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no finite decimal number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is no finite decimal number") from None
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if not digits:
        return "0"
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"has {len(digits)} significant digits")
    if abs(number.adjusted()) > MOST_DIGITS:
        raise ValueError(f"has its first digit at 10^{number.adjusted()}")
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


@lru_cache(maxsize=65536)
def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def canonical_facts(facts: tuple[ConceptFacts, ...]) -> tuple[tuple[ConceptFacts, ...], list[FieldError]]:
    """
    This will put facts into the one form in which equal contents are equal: sorted, each fact once, values canonical.

    Returns the facts and what is wrong with them; the facts count only when nothing is. Pointers have the form
    `/facts/{concept index}/{value index}/{field}`, by the order in which the facts were given.
    """
    if _are_canonical(facts):
        return facts, []
    errors: list[FieldError] = []
    merged: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    canonical = _CANONICAL.fullmatch
    for group, (concept, unit, values) in enumerate(facts):
        place = merged.get((concept, unit))
        if place is None:
            place = merged[concept, unit] = {}
            errors.extend(_naming_errors(concept, unit, pointer=f"/facts/{group}/0"))
        for index, (start, end, value) in enumerate(values):
            if not _is_date(end) or (start is not None and (start > end or not _is_date(start))):
                errors.extend(_period_errors(start, end, pointer=f"/facts/{group}/{index}"))
            if not canonical(value):
                try:
                    value = canonical_value(value)
                except ValueError as wrong:
                    errors.append(
                        FieldError(
                            pointer=f"/facts/{group}/{index}/value",
                            reason=str(wrong),
                            fix=f"write a decimal number of at most {MOST_DIGITS} digits",
                        )
                    )
                    continue
            if place.setdefault((end, start or ""), value) != value:
                errors.append(
                    FieldError(
                        pointer=f"/facts/{group}/{index}/value",
                        reason=f"{concept[:80]!r} in {unit[:40]!r} has two values for one period,"
                        f" {place[end, start or '']} and {value}",
                        fix="report each concept, unit and period once",
                    )
                )
        if len(errors) > _MOST_ERRORS:
            break
    return tuple(
        (concept, unit, tuple((start or None, end, value) for (end, start), value in sorted(place.items())))
        for (concept, unit), place in sorted(merged.items())
        if place
    ), errors[:_MOST_ERRORS]


def _are_canonical(facts: tuple[ConceptFacts, ...]) -> bool:
    """Whether nothing is to be put right: so it is with facts from files, and looking is far cheaper than doing it."""
    canonical = _CANONICAL.fullmatch
    last_name = ("", "")
    for concept, unit, values in facts:
        if not (concept, unit) > last_name or not values or not _is_well_named(concept, unit):
            return False
        last_name = (concept, unit)
        last_period = ("", "")
        for start, end, value in values:
            period = (end, start or "")
            if (
                not period > last_period
                or not canonical(value)
                or not _is_date(end)
                or (start is not None and (start > end or not _is_date(start)))
            ):
                return False
            last_period = period
    return True


@lru_cache(maxsize=65536)
def _is_well_named(concept: str, unit: str) -> bool:
    return next(_naming_errors(concept, unit, pointer=""), None) is None


def _naming_errors(concept: str, unit: str, *, pointer: str) -> Iterator[FieldError]:
    taxonomy, _, name = concept.partition(":")
    if error := text_error(f"{pointer}/concept", concept, longest=300):
        yield error
    elif not (taxonomy and name):
        yield FieldError(
            pointer=f"{pointer}/concept",
            reason=f"{concept[:60]!r} does not say its taxonomy",
            fix="write taxonomy and name joined by a colon, such as us-gaap:Revenues",
        )
    if error := text_error(f"{pointer}/unit", unit, longest=100):
        yield error


def _period_errors(start: str | None, end: str, *, pointer: str) -> Iterator[FieldError]:
    wrong = [(name, text) for name, text in (("start", start), ("end", end)) if text is not None and not _is_date(text)]
    for name, text in wrong:
        yield FieldError(
            pointer=f"{pointer}/{name}",
            reason=f"{text[:40]!r} is no calendar date",
            fix="write a date that exists as YYYY-MM-DD",
        )
    if not wrong and start is not None and start > end:
        yield FieldError(
            pointer=f"{pointer}/end",
            reason=f"the period ends on {end}, before it starts on {start}",
            fix="swap or correct the dates; leave start out for an instant",
        )
