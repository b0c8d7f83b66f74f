"""What can have happened to a company. The only file of this folder that others import."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

SizeClass = Literal["large_accelerated", "accelerated", "non_accelerated", "smaller_reporting"]
"""How large a filer says it is (17 CFR 240.12b-2)."""


class CompanyRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """A company became known. `name` is as filed; `sic` has four digits; `country` is an ISO 3166-1 code."""

    cik: int
    name: str
    sic: str | None = None
    country: str | None = None
    tickers: tuple[str, ...] = ()
    size_class: SizeClass | None = None


class CompanyReclassified(msgspec.Struct, frozen=True, kw_only=True):
    """
    A company has another industry, country or size class; the fields state what holds now.

    Events without `size_class` say nothing of it: it stays as it was.
    """

    cik: int
    sic: str | None
    country: str | None
    size_class: SizeClass | UnsetType | None = UNSET

    def size_class_after(self, known: SizeClass | None) -> SizeClass | None:
        """The size class of the company, given the one it had until now."""
        return known if self.size_class is UNSET else self.size_class


FormerNames = tuple[tuple[str, date | None], ...]
"""Names a company had, each with the last day it had it, where that is known."""


class CompanyRenamed(msgspec.Struct, frozen=True, kw_only=True):
    """
    A company has another name, or it is known better which names it had.

    `former_names` are all names it had before; null says no more than that the name until now is one of them.
    """

    cik: int
    name: str
    former_names: FormerNames | None = None

    def former_names_after(self, *, name: str, former: Mapping[str, date | None]) -> dict[str, date | None]:
        """The names the company had, given the name and the former names it had until now."""
        known = {name: None, **former} if self.former_names is None else dict(self.former_names)
        return {each: until for each, until in known.items() if each != self.name}


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
