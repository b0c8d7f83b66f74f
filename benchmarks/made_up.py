"""Companies and filings that never were, as many as wanted and always the same."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from commands.companies.register_company import RegisterCompany
from commands.filings.events import ConceptFacts
from commands.filings.report_filing import ReportFiling
from tests.factories import register_company, report_filing

FIRST_CIK = 9_200_000
SICS = ("0100", "1311", "1521", "2834", "3571", "3674", "4911", "4812", "5122", "5411", "6021", "6311", "7372", "8062")
_FLOWS = (
    "Revenues",
    "CostOfRevenue",
    "GrossProfit",
    "OperatingIncomeLoss",
    "IncomeTaxExpenseBenefit",
    "NetIncomeLoss",
    "NetCashProvidedByUsedInOperatingActivities",
    "PaymentsToAcquirePropertyPlantAndEquipment",
)
_BALANCES = ("Assets", "AssetsCurrent", "Liabilities", "LiabilitiesCurrent", "StockholdersEquity")


def company(number: int) -> RegisterCompany:
    """One company, of an industry that others of its kind share."""
    sic = SICS[number % len(SICS)]
    return register_company(cik=FIRST_CIK + number, name=f"Company {number} Inc.", sic=sic, tickers=())


def annual_report(number: int, *, year: int) -> ReportFiling:
    """What a company says of a year: each figure also for the two years before, as filings do."""
    facts = [*_flows(number, year), *_balances(number, year)]
    return report_filing(
        cik=FIRST_CIK + number,
        accession=f"{FIRST_CIK + number:010}-{(year + 1) % 100:02}-000001",
        form="10-K",
        filed_on=date(year + 1, 2, 15),
        accepted_at=datetime(year + 1, 2, 15, 21, 5, tzinfo=UTC),
        facts=tuple(sorted(facts)),
    )


def small_report(company_number: int, *, number: int) -> ReportFiling:
    """What takes least to report: one fact."""
    cik = FIRST_CIK + company_number
    return ReportFiling(
        cik=cik,
        accession=f"{cik:010}-24-{number:06}",
        form="8-K",
        filed_on=date(2024, 2, 15),
        facts=(("us-gaap:Revenues", "USD", (("2023-01-01", "2023-12-31", "1000000"),)),),
    )


def revenue(number: int, year: int) -> int:
    """The revenue a company reports of a year."""
    return 1_000_000 * (number + 1) + 1_000 * (year - 2000)


def facts_in(filing: ReportFiling) -> int:
    """How many values a filing reports."""
    return sum(len(values) for _, _, values in filing.facts)


def _flows(number: int, year: int) -> Iterator[ConceptFacts]:
    for place, concept in enumerate(_FLOWS):
        values = tuple(
            (f"{told}-01-01", f"{told}-12-31", str(revenue(number, told) // (place + 1)))
            for told in range(year - 2, year + 1)
        )
        yield f"us-gaap:{concept}", "USD", values


def _balances(number: int, year: int) -> Iterator[ConceptFacts]:
    for place, concept in enumerate(_BALANCES):
        values = tuple(
            (None, f"{told}-12-31", str(4 * revenue(number, told) // (place + 1))) for told in range(year - 1, year + 1)
        )
        yield f"us-gaap:{concept}", "USD", values
