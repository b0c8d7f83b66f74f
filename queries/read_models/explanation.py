"""Where a value comes from, down to the filings."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column
from queries.read_models.filing import BrokenCheckRow


class OperandRow(msgspec.Struct, frozen=True, kw_only=True):
    """A value that went into a formula, as it was known when the result became known."""

    metric: Annotated[str, column("Key of the operand's metric.", example="gross_profit")]
    role: Annotated[
        str,
        column("How the formula uses it: value, ttm (twelve months) or years_ago:N.", example="value"),
    ]
    period: Annotated[str | None, column("Calendar period of the operand.", example="CY2023")]
    period_start: Annotated[date | None, column("First day; null for an instant.", example="2022-09-25")]
    period_end: Annotated[date | None, column("Last day.", example="2023-09-30")]
    value: Annotated[Decimal | None, column("Its value; null where it is absent.", example=169148000000)]
    unit: Annotated[str, column("Its unit.", example="USD")]
    accession: Annotated[str | None, column("Filing it was taken from.", example="0000320193-23-000106")]
    form: Annotated[str | None, column("Form of that filing.", example="10-K")]
    filed_on: Annotated[date | None, column("Filing day.", example="2023-11-03")]
    accepted_at: Annotated[
        datetime | None,
        column("When EDGAR accepted that filing; null where that is not known.", example="2023-11-02T22:08:27Z"),
    ]
    known_from: Annotated[datetime | None, column("Since when it is known.", example="2023-11-02T22:08:27Z")]
    concept: Annotated[str | None, column("XBRL concept; null for a derived value.", example="us-gaap:GrossProfit")]
    formula: Annotated[str | None, column("Its own formula where it is derived itself.", example=None)]
    url: Annotated[
        str | None,
        column(
            "The filing's documents at the SEC.",
            example="https://www.sec.gov/Archives/edgar/data/320193/000032019323000106/",
        ),
    ]
    flags: Annotated[list[str], column("Remarks on quality and derivation.", example=[])]


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that was added to others, or taken from them, to make a value."""

    sign: Annotated[int, column("1 where it was added, -1 where it was taken away.", example=1)]
    concept: Annotated[str | None, column("XBRL concept of the fact.", example="us-gaap:NetIncomeLoss")]
    period_start: Annotated[
        date | None, column("First day the fact covers; null for an instant.", example="2022-09-25")
    ]
    period_end: Annotated[date, column("Last day the fact covers.", example="2023-07-01")]
    value: Annotated[Decimal, column("Value of the fact.", example=74039000000)]
    accession: Annotated[str, column("Filing it stands in.", example="0000320193-23-000077")]
    form: Annotated[str | None, column("Form of that filing.", example="10-Q")]
    filed_on: Annotated[date | None, column("Filing day.", example="2023-08-04")]
    accepted_at: Annotated[
        datetime | None,
        column("When EDGAR accepted that filing; null where that is not known.", example="2023-08-03T22:04:43Z"),
    ]
    known_from: Annotated[datetime | None, column("Since when the filing is known.", example="2023-08-03T22:04:43Z")]
    url: Annotated[
        str,
        column(
            "The filing's documents at the SEC.",
            example="https://www.sec.gov/Archives/edgar/data/320193/000032019323000077/",
        ),
    ]


class SplitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A share split that filings count which became known after the value did."""

    ratio: Annotated[Decimal, column("Shares after it for each one before.", example=4)]
    known_from: Annotated[datetime, column("Since when filings count its shares.", example="2020-10-29T22:06:25Z")]
    accession: Annotated[str, column("Filing that showed the ratio first.", example="0000320193-20-000096")]
    url: Annotated[
        str,
        column(
            "The filing's documents at the SEC.",
            example="https://www.sec.gov/Archives/edgar/data/320193/000032019320000096/",
        ),
    ]


class RevisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A value the metric had for this period during some time."""

    revision: Annotated[int, column("0 for the first reported value.", example=0)]
    value: Annotated[Decimal, column("The value.", example=383285000000)]
    known_from: Annotated[datetime, column("Since when it was known.", example="2023-11-02T22:08:27Z")]
    known_to: Annotated[datetime | None, column("Until when it stood; null while it stands.", example=None)]
    accession: Annotated[str, column("Filing that made it known.", example="0000320193-23-000106")]
    form: Annotated[str | None, column("Form of that filing.", example="10-K")]
    filed_on: Annotated[date | None, column("Filing day.", example="2023-11-03")]
    accepted_at: Annotated[
        datetime | None,
        column("When EDGAR accepted that filing; null where that is not known.", example="2023-11-02T22:08:27Z"),
    ]
    concept: Annotated[
        str | None,
        column(
            "XBRL concept; null for a derived value.",
            example="us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax",
        ),
    ]
    url: Annotated[
        str,
        column(
            "The filing's documents at the SEC.",
            example="https://www.sec.gov/Archives/edgar/data/320193/000032019323000106/",
        ),
    ]


class ExplanationRow(msgspec.Struct, frozen=True, kw_only=True):
    """
    One value with its formula, operands, filing and earlier versions.

    A value there is none of is null, with the reason and what is missing.
    """

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key of the company.", example=320193)]
    name: Annotated[str, column("Name of the company.", example="Apple Inc.")]
    metric: Annotated[str, column("Key of the metric.", example="revenue")]
    label: Annotated[str, column("Name of the metric for people.", example="Revenue")]
    unit: Annotated[str, column("Unit of the value.", example="USD")]
    period: Annotated[str | None, column("Calendar period.", example="CY2023")]
    period_start: Annotated[date | None, column("First day; null for an instant.", example="2022-09-25")]
    period_end: Annotated[
        date | None, column("Last day; null where the company has no such period.", example="2023-09-30")
    ]
    fiscal_year: Annotated[int | None, column("The company's fiscal year.", example=2023)]
    fiscal_period: Annotated[str | None, column("FY, Q1, Q2, Q3 or Q4.", example="FY")]
    value: Annotated[
        Decimal | None, column("The exact value; null where there is none (see reason).", example=383285000000)
    ]
    reason: Annotated[
        str | None,
        column(
            "Why the value is null: not_reported, not_applicable, operand_missing:METRIC, undefined, "
            "currency_mismatch, no_twelve_months or parked.",
            example=None,
        ),
    ]
    missing: Annotated[
        list[str],
        column("What a value would take: concepts to be stated, operands, or the condition that fails.", example=[]),
    ]
    newest_period: Annotated[
        str | None, column("The newest period that has a value, where this one has none.", example=None)
    ]
    known_from: Annotated[datetime | None, column("Since when it is known.", example="2023-11-02T22:08:27Z")]
    known_to: Annotated[datetime | None, column("Until when it stood; null while it stands.", example=None)]
    accession: Annotated[str | None, column("Filing that made it known.", example="0000320193-23-000106")]
    form: Annotated[str | None, column("Form of that filing.", example="10-K")]
    filed_on: Annotated[date | None, column("Filing day.", example="2023-11-03")]
    accepted_at: Annotated[
        datetime | None,
        column("When EDGAR accepted that filing; null where that is not known.", example="2023-11-02T22:08:27Z"),
    ]
    concept: Annotated[
        str | None,
        column(
            "XBRL concept it was read from; null for a derived value.",
            example="us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax",
        ),
    ]
    url: Annotated[
        str | None,
        column(
            "The filing's documents at the SEC.",
            example="https://www.sec.gov/Archives/edgar/data/320193/000032019323000106/",
        ),
    ]
    formula: Annotated[
        str | None, column("Formula a derived value was worked out by; null for a reported one.", example=None)
    ]
    operands: Annotated[list[OperandRow], column("What went into the formula.", example=[])]
    sources: Annotated[
        list[SourceRow],
        column("The facts a value was added up from, such as a quarter taken out of a year; else empty.", example=[]),
    ]
    revisions: Annotated[
        list[RevisionRow], column("Every value of this period in the order they became known.", example=[])
    ]
    split_factor: Annotated[
        Decimal | None,
        column(
            "Product of the share splits counted since the value became known; null for metrics splits do not touch.",
            example=None,
        ),
    ]
    splits: Annotated[list[SplitRow], column("Those splits.", example=[])]
    broken_checks: Annotated[
        list[BrokenCheckRow],
        column("Accounting identities that the filings the value stands on break, with both sides.", example=[]),
    ]
    flags: Annotated[list[str], column("Remarks on quality and derivation.", example=[])]


EXPLANATION = ReadModel(
    name="explanation",
    row=ExplanationRow,
    key=("cik", "metric", "period_end", "period"),
    cache_seconds=10,
    stored={
        "metric_value": (
            "cik",
            "metric",
            "period_type",
            "period",
            "period_start",
            "period_end",
            "duration_days",
            "calendar_offset",
            "revision",
            "known_from",
            "known_to",
            "value",
            "unit",
            "accession",
            "concept",
            "sources",
            "flags",
        ),
        "filing": ("cik", "accession", "form", "filed_on", "accepted_at", "known_at"),
        "filing_check": ("cik", "accession", "check_name", "period_start", "period_end", "stated", "expected"),
        "company_split": ("cik", "filed_from", "ratio", "accession", "known_from", "known_to"),
    },
)
