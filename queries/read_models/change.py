"""What changed, so that an answer held can be refreshed instead of asked for anew."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal, get_args

import msgspec

from queries.read_models.declaration import ReadModel, column

ChangeKind = Literal[
    "filing_reported",
    "filing_corrected",
    "filing_withdrawn",
    "filings_dated",
    "figure_restated",
    "company_registered",
    "company_renamed",
    "company_reclassified",
    "company_tickers_changed",
    "company_merged",
    "figures_replaced",
    "aggregate_changed",
]
CHANGE_KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)

WHAT_KINDS_MEAN = (
    "filing_reported, filing_corrected, filing_withdrawn: a filing's values are new, other than before, or count no "
    "more; filings_dated: it became known when filings of the company were accepted; figure_restated: a filing made a "
    "figure known that differs from the one before; company_…: field says what of the company changed; "
    "figures_replaced: all figures were worked out by other rules, ask anew for what you hold; aggregate_changed: "
    "figures over groups for this metric and period, or without one for any period, were worked out anew"
)


class ChangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that changed."""

    position: Annotated[int, column("Place of the change in the log.", example=48210)]
    kind: Annotated[ChangeKind, column(f"{WHAT_KINDS_MEAN}.", example="figure_restated")]
    company: Annotated[
        str | None, column("Ticker of the company, or its name where it has none; null for aggregates.", example="AAPL")
    ] = None
    cik: Annotated[int | None, column("Central Index Key of the company.", example=320193)] = None
    accession: Annotated[str | None, column("The filing the change comes from.", example="0001193125-10-012091")] = None
    form: Annotated[str | None, column("Form type of that filing.", example="10-K/A")] = None
    field: Annotated[
        str | None,
        column(
            "What of the company changed: name, former_names, sic, country, size_class, tickers or predecessor.",
            example=None,
        ),
    ] = None
    was: Annotated[str | None, column("What the field held before; null for nothing.", example=None)] = None
    now: Annotated[str | None, column("What the field holds since; null for nothing.", example=None)] = None
    metric: Annotated[str | None, column("Key of the metric.", example="revenue")] = None
    unit: Annotated[str | None, column("Unit of the value.", example="USD")] = None
    period: Annotated[
        str | None,
        column(
            "Calendar period; null where the period fits none, and for aggregates that changed in more than a dozen "
            "periods at once: any of them may have.",
            example="CY2009",
        ),
    ] = None
    period_start: Annotated[date | None, column("First day; null for an instant.", example="2008-09-28")] = None
    period_end: Annotated[date | None, column("Last day.", example="2009-09-26")] = None
    old_value: Annotated[Decimal | None, column("The value before.", example=36537000000)] = None
    value: Annotated[
        Decimal | None, column("The value since; null where there is none any more.", example=42905000000)
    ] = None
    old_accession: Annotated[
        str | None, column("The filing that made the value before known.", example="0001193125-09-214859")
    ] = None
    groupings: Annotated[
        list[str] | None,
        column(
            "In which groupings some group's figures changed; null for aggregates without a period: in any.",
            example=None,
        ),
    ] = None
    known_from: Annotated[
        datetime | None,
        column(
            "Since when it is known: of a filing, or a figure of it, when the world could know it; of all else when it "
            "was recorded here. Null for aggregates.",
            example="2010-01-25T21:31:06Z",
        ),
    ] = None


CHANGE = ReadModel(
    name="change",
    row=ChangeRow,
    key=("position", "kind", "cik", "field", "metric", "period_end", "period_start", "period"),
    cache_seconds=1,
    of_period=("period", "period_start", "period_end", "old_value", "value", "old_accession"),
    stored={
        "change": ("position", "field", "kind", "cik", "accession", "was", "now", "recorded_at"),
        "filing": ("accession", "form", "known_at", "withdrawn_at"),
        "metric_value": (
            "cik",
            "metric",
            "unit",
            "period",
            "period_start",
            "period_end",
            "value",
            "accession",
            "known_from",
        ),
        "aggregate_change": ("metric", "period"),
        "replacement": ("told_at", "replaced_at"),
    },
)
