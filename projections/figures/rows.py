"""The rows of companies and filings, as far as they cannot be worked out from the rest."""

from datetime import date, datetime

import msgspec

from commands.companies.events import CompanyReclassified, CompanyRegistered, CompanyRenamed, SizeClass
from projections.financials.classification import BEGINNING, Classification, reclassified, sector_of
from queries.metrics.groupings import EVERYBODY, GroupBy
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
    size_class: SizeClass | None = None
    tickers: list[str] = msgspec.field(default_factory=list)
    former_names: dict[str, date | None] = msgspec.field(default_factory=dict)
    """As filed, each with its last day where that is known. A table of its own."""
    classifications: list[Classification] = msgspec.field(default_factory=list)
    """The oldest first. A table of its own."""

    @classmethod
    def registered(cls, body: CompanyRegistered) -> "CompanyRow":
        """A company of which nothing else is known."""
        first = Classification(valid_from=BEGINNING, sic=body.sic, country=body.country, size_class=body.size_class)
        return cls(
            cik=body.cik,
            name_as_filed=body.name,
            sic=body.sic,
            country=body.country,
            size_class=body.size_class,
            tickers=list(body.tickers),
            classifications=[first],
        )

    def rename(self, body: CompanyRenamed) -> None:
        """This will give the company another name and remember those it had."""
        self.former_names = body.former_names_after(name=self.name_as_filed, former=self.former_names)
        self.name_as_filed = body.name

    def reclassify(self, body: CompanyReclassified, *, at: datetime) -> None:
        """This will put the company into another industry, country or size class and remember where it was."""
        self.sic, self.country, self.size_class = body.sic, body.country, body.size_class_after(self.size_class)
        now = Classification(valid_from=at, sic=self.sic, country=self.country, size_class=self.size_class)
        self.classifications = reclassified(self.classifications, now)

    def groups(self) -> set[Group]:
        """The groups the company's figures count in."""
        keys: dict[GroupBy, str | None] = {
            "all": EVERYBODY,
            "sector": sector_of(self.sic),
            "major_group": None if self.sic is None else self.sic[:2],
            "industry": self.sic,
            "country": self.country,
            "size_class": self.size_class,
        }
        return {(group_by, key) for group_by, key in keys.items() if key is not None}


class FilingRow(msgspec.Struct, kw_only=True):
    """One row of `filing`; `known_at` follows from the two dates."""

    cik: int
    accession: str
    form: str
    filed_on: date
    accepted_at: datetime | None
    withdrawn_at: datetime | None = None
    period_end: date | None
    year_end: date | None
    source: str
    fact_count: int
    position: int

    @property
    def known_at(self) -> datetime:
        return known_at(self.filed_on, self.accepted_at)
