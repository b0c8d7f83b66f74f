"""The versions of a company's values: what stood for a period, since when, and until when."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

import msgspec

from queries.metrics.catalogue import formula_of
from queries.metrics.formula import Formula
from queries.metrics.periods import PeriodType, distance_from_label, fiscal_label, standing_order
from queries.service.absence import Place
from queries.service.asked_period import AskedPeriod
from queries.service.companies import Company
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("value_versions.sql")


class ValueVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a period as it was known from some instant on."""

    metric: str
    period_type: PeriodType
    period: str | None
    period_start: date | None
    period_end: date
    duration_days: int
    calendar_offset: int
    revision: int
    known_from: datetime
    known_to: datetime | None
    value: Decimal
    unit: str
    accession: str
    concept: str | None
    sources: str | None
    flags: list[str]
    form: str | None
    filed_on: date | None
    accepted_at: datetime | None

    @property
    def place(self) -> Place:
        """Where the value stands, as formulas look from there."""
        return Place(kind=self.period_type, end=self.period_end, days=self.duration_days)

    @property
    def span(self) -> tuple[date, int, str]:
        """What all versions of one value have in common."""
        return self.period_end, self.duration_days, self.period_type

    @property
    def formula(self) -> Formula | None:
        """The formula the value was worked out by; None where it was read from facts."""
        return None if self.concept or self.sources else formula_of(self.metric)

    def fiscal(self, company: Company) -> tuple[int, str] | None:
        """The company's own name for the period; twelve months go by the day they end on."""
        days = 0 if self.period_type == "ttm" else self.duration_days
        return fiscal_label(self.period_end, days, company.latest_fiscal_year_end)

    def nearness(self, kind: PeriodType) -> tuple[int, float, int, int]:
        """How far it is from standing for the calendar period of a kind that it is in; the smallest stands for it."""
        distance = distance_from_label(kind, self.period_end, self.calendar_offset)
        return standing_order(distance, self.known_from, self.duration_days, self.period_end)

    def known_until(self, as_of: datetime | None) -> datetime | None:
        """Until when it stood, as far as that was known at `as_of`."""
        return self.known_to if as_of is None or (self.known_to and self.known_to <= as_of) else None

    def stands_at(self, instant: datetime | None) -> bool:
        """Whether it is what was known at an instant; without one, whether it is known today."""
        if instant is None:
            return self.known_to is None
        return self.known_from <= instant and (self.known_to is None or instant < self.known_to)


async def versions_of(snapshot: Snapshot, *, cik: int, metrics: Iterable[str]) -> list[ValueVersion]:
    """This will give every version of a company's values of some metrics."""
    return await snapshot.fetch(ValueVersion, _SQL["versions"], {"cik": cik, "metrics": sorted(metrics)})


def is_meant(version: ValueVersion, *, period: AskedPeriod, company: Company) -> bool:
    """Whether a value is of the period a reader means."""
    if period.kind == "calendar":
        return version.period == period.label
    if version.period_type == "ttm":
        return False
    if period.end is not None:
        return version.period_end == period.end
    return version.fiscal(company) == (period.year, fiscal_period(period, instant=version.duration_days == 0))


def fiscal_period(period: AskedPeriod, *, instant: bool) -> str:
    """FY or Q1 to Q4; a balance at the end of the fourth quarter is that of the year."""
    return f"Q{period.quarter}" if period.quarter and not (instant and period.quarter == 4) else "FY"
