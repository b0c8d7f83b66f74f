"""Values of metrics over time, one row a company, metric and period."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column


class SeriesRow(msgspec.Struct, frozen=True, kw_only=True):
    """One value of one metric of one company."""

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="AAPL")]
    cik: Annotated[int, column("Central Index Key of the company.", example=320193)]
    metric: Annotated[str, column("Key of the metric in the catalogue.", example="revenue")]
    unit: Annotated[
        str, column("Unit of the value: USD or another currency, USD/shares, shares, pure or days.", example="USD")
    ]
    period: Annotated[
        str | None,
        column(
            "Calendar period the value stands for: CY2023, CY2023Q3, CY2023Q3TTM, CY2023Q3I (an instant).",
            example="CY2023",
        ),
    ]
    period_start: Annotated[
        date | None, column("First day of the company's own period; null for an instant.", example="2022-09-25")
    ]
    period_end: Annotated[date | None, column("Last day of the company's own period.", example="2023-09-30")]
    fiscal_year: Annotated[
        int | None, column("The company's fiscal year, named after the year it ends in.", example=2023)
    ]
    fiscal_period: Annotated[str | None, column("FY, Q1, Q2, Q3 or Q4 of that fiscal year.", example="FY")]
    value: Annotated[
        Decimal | None,
        column(
            "The exact value in `unit`; null where there is none (see reason), never 0 instead.", example=383285000000
        ),
    ]
    accession: Annotated[str | None, column("Filing that made this value known.", example="0000320193-23-000106")]
    known_from: Annotated[
        datetime | None, column("Since when the world could know this value (UTC).", example="2023-11-02T22:08:27Z")
    ]
    flags: Annotated[
        list[str],
        column("Remarks on quality and derivation; of an absent value its reason.", example=[]),
    ]
    reason: Annotated[
        str | None,
        column(
            "Why the value is null: not_reported, not_applicable, operand_missing:METRIC, undefined, "
            "currency_mismatch, no_twelve_months or parked.",
            example=None,
        ),
    ]
    split_factor: Annotated[
        Decimal | None,
        column(
            "Product of the share splits counted since the value became known; null for metrics splits do not touch.",
            example=None,
        ),
    ]


SERIES = ReadModel(
    name="series",
    row=SeriesRow,
    key=("cik", "metric", "period_end", "period"),
    cache_seconds=10,
    stored={
        "company": ("cik", "name", "tickers", "latest_fiscal_year_end"),
        "metric_value": (
            "cik",
            "metric",
            "unit",
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
            "accession",
            "flags",
        ),
        "company_split": ("cik", "filed_from", "ratio", "known_from", "known_to"),
        "company_classification": ("cik", "valid_from", "valid_to", "sic"),
        "filing": ("cik", "known_at", "withdrawn_at", "year_end"),
        "company_link": ("cik", "predecessor_cik", "effective_on"),
    },
)
