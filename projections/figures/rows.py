"""The rows of companies and filings, as far as they cannot be worked out from the rest."""

from datetime import date, datetime

import msgspec

from projections.financials.classification import sector_of
from queries.metrics.periods import known_at

FilingKey = tuple[int, str]
"""CIK and accession."""

Group = tuple[str, str]
"""(group_by, group_key)."""


class CompanyRow(msgspec.Struct, kw_only=True):
    """One row of `company`."""

    cik: int
    name_as_filed: str
    sic: str | None = None
    country: str | None = None
    tickers: list[str] = msgspec.field(default_factory=list)
    latest_fiscal_year_end: date | None = None

    def groups(self) -> set[Group]:
        """The groups the company's figures count in."""
        sector = sector_of(self.sic)
        groups = {("all", "all")}
        if sector is not None:
            groups.add(("sector", sector))
        if self.sic is not None:
            groups.add(("industry", self.sic))
        return groups


class FilingRow(msgspec.Struct, kw_only=True):
    """One row of `filing`; `known_at` follows from the two dates."""

    cik: int
    accession: str
    form: str
    filed_on: date
    accepted_at: datetime | None
    withdrawn_at: datetime | None = None
    period_end: date | None
    source: str
    fact_count: int
    position: int

    @property
    def known_at(self) -> datetime:
        return known_at(self.filed_on, self.accepted_at)
