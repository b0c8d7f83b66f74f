"""What can be said of a company."""

import re
from collections.abc import Iterator
from datetime import date
from typing import get_args

from commands.companies.countries import COUNTRIES
from commands.companies.events import SizeClass
from commands.errors import FieldError
from commands.text import text_error
from commands.times import day_errors

_SIC = re.compile(r"[0-9]{4}")
_MOST_TICKERS = 100
_MOST_FORMER_NAMES = 100
_LONGEST_NAME = 500
_SIZE_CLASSES = get_args(SizeClass)


def cik_errors(cik: int, *, pointer: str = "/cik") -> Iterator[FieldError]:
    """A Central Index Key is a whole number of at most ten digits."""
    if not 0 < cik < 10_000_000_000:
        yield FieldError(pointer=pointer, reason=f"{cik} is no CIK", fix="write a whole number from 1 to 9999999999")


def name_errors(name: str) -> Iterator[FieldError]:
    """A company's name is one line, as filed."""
    if error := text_error("/name", name, longest=_LONGEST_NAME):
        yield error


def former_name_errors(names: tuple[tuple[str, date | None], ...]) -> Iterator[FieldError]:
    """A former name is one line, as filed, and listed once, with the last day the company had it."""
    if len(names) > _MOST_FORMER_NAMES:
        yield FieldError(
            pointer="/former_names",
            reason=f"has {len(names)} entries",
            fix=f"list at most {_MOST_FORMER_NAMES} names",
        )
        return
    listed = [name for name, _ in names]
    for index, (name, until) in enumerate(names):
        yield from day_errors(until, pointer=f"/former_names/{index}/until")
        pointer = f"/former_names/{index}/name"
        if error := text_error(pointer, name, longest=_LONGEST_NAME):
            yield error
        elif name in listed[:index]:
            yield FieldError(
                pointer=pointer, reason=f"{name[:40]} is listed twice", fix="list each name once, with its last day"
            )


def sic_errors(sic: str | None) -> Iterator[FieldError]:
    """An industry code has four digits; a company may have none."""
    if sic is not None and not _SIC.fullmatch(sic):
        yield FieldError(
            pointer="/sic",
            reason=f"{sic[:20]!r} is no SIC code",
            fix='write four digits with leading zeros, such as "0100", or leave it out',
        )


def country_errors(country: str | None) -> Iterator[FieldError]:
    """A country is one of ISO 3166-1, so that companies of one country are one group; a company may have none."""
    if country is not None and country not in COUNTRIES:
        yield FieldError(
            pointer="/country",
            reason=f"{country[:20]!r} is no country",
            fix='write the two letters of ISO 3166-1, such as "US", or leave it out',
        )


def size_class_errors(size_class: str | None) -> Iterator[FieldError]:
    """A size class is one of four; a company may have none."""
    if size_class is not None and size_class not in _SIZE_CLASSES:
        yield FieldError(
            pointer="/size_class",
            reason=f"{size_class[:20]!r} is no size class",
            fix=f"write one of {', '.join(_SIZE_CLASSES)}, or leave it out",
        )


def ticker_errors(tickers: tuple[str, ...]) -> Iterator[FieldError]:
    """Tickers are short, without blanks, and each is listed once."""
    if len(tickers) > _MOST_TICKERS:
        yield FieldError(
            pointer="/tickers", reason=f"has {len(tickers)} entries", fix=f"list at most {_MOST_TICKERS} tickers"
        )
        return
    for index, ticker in enumerate(tickers):
        pointer = f"/tickers/{index}"
        if error := text_error(pointer, ticker, longest=20):
            yield error
        elif any(character.isspace() for character in ticker):
            yield FieldError(pointer=pointer, reason="holds a blank", fix="write the ticker without blanks")
        elif ticker in tickers[:index]:
            yield FieldError(pointer=pointer, reason=f"{ticker} is listed twice", fix="list each ticker once")
