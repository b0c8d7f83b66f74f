"""What can have happened to a company. The only file of this folder that others import."""

from datetime import date, datetime

import msgspec


class CompanyRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """A company became known. `name` is as filed; `sic` has four digits."""

    cik: int
    name: str
    sic: str | None = None
    country: str | None = None
    tickers: tuple[str, ...] = ()


class CompanyReclassified(msgspec.Struct, frozen=True, kw_only=True):
    """A company has another industry or country; both fields state what holds now."""

    cik: int
    sic: str | None
    country: str | None


class CompanyRenamed(msgspec.Struct, frozen=True, kw_only=True):
    """A company has another name."""

    cik: int
    name: str


class TickersChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A company trades under exactly these tickers now."""

    cik: int
    tickers: tuple[str, ...]


class AcceptanceRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """The instants at which EDGAR accepted some filings of a company, known or not yet reported here."""

    cik: int
    filings: tuple[tuple[str, datetime], ...]


class CompanyMerged(msgspec.Struct, frozen=True, kw_only=True):
    """A company goes on under this CIK: what it was before `effective_on` stands under the predecessor's."""

    cik: int
    predecessor_cik: int
    effective_on: date
