"""Companies, filings and facts; a test names only what matters to it."""

from datetime import date
from typing import Any

from commands.companies.register_company import RegisterCompany
from commands.filings.events import ConceptFacts
from commands.filings.report_filing import ReportFiling
from tests.fixtures.filings import RegisterCompanyFactory, ReportFilingFactory


def instant(concept: str, end: str, value: str, *, unit: str = "USD") -> ConceptFacts:
    """One fact that stands at a date."""
    return concept, unit, ((None, end, value),)


def duration(concept: str, start: str, end: str, value: str, *, unit: str = "USD") -> ConceptFacts:
    """One fact over a period."""
    return concept, unit, ((start, end, value),)


def register_company(**named: Any) -> RegisterCompany:
    """A command for a manufacturer without a ticker, but for what is named."""
    return RegisterCompanyFactory.build(**{"sic": "3571", "country": "US", **named})


def report_filing(**named: Any) -> ReportFiling:
    """A command for an annual report for 2023 with a revenue of 1,000 dollars, but for what is named."""
    revenue = duration("us-gaap:Revenues", "2023-01-01", "2023-12-31", "1000")
    return ReportFilingFactory.build(**{"cik": 1_000_000, "filed_on": date(2024, 2, 15), "facts": (revenue,), **named})
