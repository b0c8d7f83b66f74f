"""Filings and when they became known."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column


class BrokenCheckRow(msgspec.Struct, frozen=True, kw_only=True):
    """An accounting identity a filing breaks by more than half a percent, with both sides."""

    accession: Annotated[str, column("Accession number of the filing.", example="0000320193-23-000106")]
    check: Annotated[
        str,
        column("balance, gross_profit, operating_income, net_income or cash: see docs/figures.md.", example="balance"),
    ]
    period_start: Annotated[date | None, column("First day; null for an instant.", example=None)]
    period_end: Annotated[date, column("Last day.", example="2023-09-30")]
    stated: Annotated[Decimal, column("The side the filing states.", example=352583000000)]
    expected: Annotated[Decimal, column("The side its other figures add up to.", example=352538000000)]


class FilingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One filing of a company."""

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key of the company.", example=320193)]
    accession: Annotated[str, column("Accession number of the filing.", example="0000320193-23-000106")]
    form: Annotated[str, column("Form type.", example="10-K")]
    filed_on: Annotated[date, column("Filing day.", example="2023-11-03")]
    accepted_at: Annotated[
        datetime | None,
        column("When EDGAR accepted the filing (UTC); null where that is not known.", example="2023-11-02T22:08:27Z"),
    ]
    known_at: Annotated[
        datetime,
        column(
            "When the world could know the filing: accepted_at, else the end of its filing day, US Eastern.",
            example="2023-11-02T22:08:27Z",
        ),
    ]
    withdrawn_at: Annotated[
        datetime | None, column("Since when the filing counts no more; null while it counts.", example=None)
    ]
    period_end: Annotated[
        date | None, column("Last day of the period the filing itself reports on.", example="2023-09-30")
    ]
    source: Annotated[str, column("Where the filing came in from.", example="companyfacts")]
    fact_count: Annotated[int, column("How many facts were kept of it.", example=512)]
    url: Annotated[
        str,
        column(
            "The filing's documents at the SEC.",
            example="https://www.sec.gov/Archives/edgar/data/320193/000032019323000106/",
        ),
    ]
    broken_checks: Annotated[
        list[BrokenCheckRow], column("Accounting identities the filing breaks; nothing is rejected.", example=[])
    ]


FILING = ReadModel(
    name="filing",
    row=FilingRow,
    key=("cik", "accession"),
    cache_seconds=30,
    stored={
        "filing": (
            "cik",
            "accession",
            "form",
            "filed_on",
            "accepted_at",
            "known_at",
            "withdrawn_at",
            "period_end",
            "source",
            "fact_count",
        ),
        "filing_check": ("cik", "accession", "check_name", "period_start", "period_end", "stated", "expected"),
    },
)


def document_url(*, cik: int, accession: str) -> str:
    """The folder at the SEC that holds a filing's documents."""
    return f"https://www.sec.gov/Archives/edgar/data/{cik}/{accession.replace('-', '')}/"
