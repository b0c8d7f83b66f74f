"""Companies, filings and facts; a test names only what matters to it."""

from datetime import date

import factory

from commands.companies.register_company import RegisterCompany
from commands.filings.events import ConceptFacts
from commands.filings.report_filing import ReportFiling


def instant(concept: str, end: str, value: str, *, unit: str = "USD") -> ConceptFacts:
    """One fact that stands at a date."""
    return concept, unit, ((None, end, value),)


def duration(concept: str, start: str, end: str, value: str, *, unit: str = "USD") -> ConceptFacts:
    """One fact over a period."""
    return concept, unit, ((start, end, value),)


class RegisterCompanyFactory(factory.Factory[RegisterCompany]):
    """A manufacturer without a ticker."""

    class Meta:
        model = RegisterCompany

    cik = factory.Sequence(lambda n: 1_000_000 + n)
    name = factory.Sequence(lambda n: f"Company {n} Inc.")
    sic: str | None = "3571"
    country: str | None = "US"
    tickers: tuple[str, ...] = ()


class ReportFilingFactory(factory.Factory[ReportFiling]):
    """An annual report for 2023 with nothing but revenue."""

    class Meta:
        model = ReportFiling

    cik = 1_000_000
    accession = factory.Sequence(lambda n: f"0001000000-24-{n:06d}")
    form = "10-K"
    filed_on = date(2024, 2, 15)
    source = "api"
    facts: tuple[ConceptFacts, ...] = (duration("us-gaap:Revenues", "2023-01-01", "2023-12-31", "1000"),)
