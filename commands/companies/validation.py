"""What can be said of a company."""

import re
from collections.abc import Iterator
from datetime import date

from commands.errors import FieldError
from commands.text import text_error

_SIC = re.compile(r"[0-9]{4}")
_MOST_TICKERS = 100
_MOST_FORMER_NAMES = 100
_LONGEST_NAME = 500


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
    for index, name in enumerate(listed):
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
    """A country is a short code or name; a company may have none."""
    if country is not None and (error := text_error("/country", country, longest=60)):
        yield error


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
