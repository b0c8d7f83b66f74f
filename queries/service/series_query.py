"""Which periods of which metrics a reader asks for, and in which view of knowledge."""

from typing import Annotated, Literal

import msgspec

from queries.service.arguments import AsOf, Query, argument, contradiction
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period

DEFAULT_PERIODS = 10
MAX_COMPANIES = 20
MAX_METRICS = 12
MAX_PERIODS = 60

PeriodTypes = Literal["annual", "quarterly", "ttm", "instant"]
View = Literal["latest", "first", "as_of"]

Metrics = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=60)], ...],
    argument(
        "Keys of metrics, see /v1/metrics.",
        example=["revenue", "net_income"],
        min_length=1,
        max_length=MAX_METRICS,
        of="MetricKey",
    ),
]


class PeriodsAsked(Query, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Which periods, and in which view of knowledge."""

    period_type: Annotated[
        PeriodTypes,
        argument(
            "annual, quarterly, or ttm (twelve months up to each quarter's end); balances are those at these ends. "
            "instant: balances at every quarter end.",
            example="annual",
        ),
    ] = "annual"
    last: Annotated[
        int | None,
        argument(
            f"The latest so many periods (default {DEFAULT_PERIODS} without from and to).",
            example=5,
            ge=1,
            le=MAX_PERIODS,
        ),
    ] = None
    from_: Annotated[
        AskedPeriod | None,
        argument(
            "First period: CY2020, CY2020Q1, FY2020, or the first day its end may fall on.",
            example="CY2020",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ] = None
    to: Annotated[
        AskedPeriod | None,
        argument(
            "Last period, in the forms of from.",
            example="CY2024",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ] = None
    view: Annotated[
        View | None,
        argument(
            "latest (restatements included), first (as first reported), or as_of. Default: as_of where as_of is "
            "given, else latest.",
            example="latest",
        ),
    ] = None
    as_of: AsOf = None
    adjust: Annotated[
        Literal["splits"] | None,
        argument(
            "splits: figures per share and share counts on today's basis (or that of as_of), by the splits the filings "
            "show. Without it each keeps the basis of its filing.",
            example="splits",
        ),
    ] = None
    through: Annotated[
        Literal["predecessors"] | None,
        argument(
            "predecessors: where a company goes on under another CIK, its earlier periods as well; cik and the flag "
            "predecessor tell whose they are.",
            example="predecessors",
        ),
    ] = None


class CompanySeriesQuery(PeriodsAsked, frozen=True, kw_only=True):
    """Which values of one company."""

    company: Annotated[
        str,
        argument(
            "A company: its CIK, a ticker, or its exact name, of today or before.",
            example="AAPL",
            min_length=1,
            max_length=200,
            in_path=True,
        ),
    ]
    metrics: Metrics


class SeriesQuery(PeriodsAsked, frozen=True, kw_only=True):
    """Which values of some companies."""

    companies: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=200)], ...],
        argument(
            "Companies: each a CIK, a ticker, or an exact name, of today or before.",
            example=["AAPL", "MSFT"],
            min_length=1,
            max_length=MAX_COMPANIES,
        ),
    ]
    metrics: Metrics


def _is_after(first: AskedPeriod, last: AskedPeriod) -> bool:
    """Whether nothing can lie between two bounds of one kind."""
    if first.end is not None and last.end is not None:
        return first.end > last.end
    return first.kind == last.kind and (first.year, first.quarter or 1) > (last.year, last.quarter or 4)


def view_asked(asked: PeriodsAsked) -> View:
    """
    The view of knowledge that is meant.

    Raises:
        QueryError: the arguments contradict each other.
    """
    if asked.view == "as_of" and asked.as_of is None:
        raise contradiction("as_of", reason="view=as_of needs it", fix="add as_of, for example as_of=2023-12-31")
    if asked.view == "latest" and asked.as_of is not None:
        raise contradiction("view", reason="view=latest contradicts as_of", fix="drop view or as_of")
    if asked.last is not None and asked.from_ is not None and asked.to is not None:
        raise contradiction("last", reason="from and to leave nothing to last", fix="drop last, from or to")
    if asked.from_ is not None and asked.to is not None and _is_after(asked.from_, asked.to):
        raise contradiction("from", reason="it is after to", fix="swap from and to")
    return asked.view or ("as_of" if asked.as_of else "latest")
