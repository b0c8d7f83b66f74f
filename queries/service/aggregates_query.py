"""Which groups of companies a reader asks for, and in which calendar periods."""

from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from queries.metrics.catalogue import Metric
from queries.metrics.groupings import WHAT_GROUPS_ARE, GroupBy
from queries.read_models.aggregate_fragment import is_held_ready
from queries.read_models.members import Members
from queries.service.arguments import AsOf, Query, argument, contradiction
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.calendar_period import calendar_period
from queries.service.frame_query import group_key
from queries.service.members import MembersAsked, members_meant
from queries.service.metrics import find_metrics
from queries.service.series_query import PeriodTypes

MAX_PERIODS = 60
MAX_PERIODS_ON_DEMAND = 12
"""How many periods are worked out for one answer."""

_DEFAULT_PERIODS = 5

# The labels of each kind of period: how they end, for spans and for instants, and the form they all have.
_ENDINGS: dict[PeriodTypes, dict[Literal["duration", "instant"], str]] = {
    "annual": {"duration": "", "instant": "Q4I"},
    "quarterly": {"duration": "Q", "instant": "QI"},
    "ttm": {"duration": "QTTM", "instant": "QI"},
    "instant": {"instant": "QI"},
}


Stat = Literal["growth", "coverage"]


class AggregatesQuery(Query, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Which groups' figures, for which calendar periods."""

    metric: Annotated[
        str, argument("Key of a metric, see /v1/metrics.", example="revenue", max_length=60, of="MetricKey")
    ]
    group_by: Annotated[GroupBy, argument(f"How companies are grouped. {WHAT_GROUPS_ARE}.", example="sector")] = (
        "sector"
    )
    period: Annotated[
        AskedPeriod | None,
        argument(
            "One calendar period: CY2024, CY2024Q3, CY2024Q3TTM (twelve months), CY2024Q3I (instant); for what stands "
            "at an instant its end.",
            example="CY2023",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ] = None
    period_type: Annotated[
        PeriodTypes | None,
        argument("With last, from or to: the kind of periods (default annual).", example="annual"),
    ] = None
    last: Annotated[
        int | None,
        argument(
            f"Instead of period: the latest so many (default {_DEFAULT_PERIODS}).",
            example=5,
            ge=1,
            le=MAX_PERIODS,
        ),
    ] = None
    from_: Annotated[
        AskedPeriod | None,
        argument("Instead of period: the first one.", example="CY2020", pattern=PERIOD_PATTERN, read=read_period),
    ] = None
    to: Annotated[
        AskedPeriod | None,
        argument("Instead of period: the last one.", example="CY2024", pattern=PERIOD_PATTERN, read=read_period),
    ] = None
    groups: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=60)], ...] | None,
        argument("Only these groups.", example=["manufacturing", "retail-trade"], min_length=1, max_length=50),
    ] = None
    stats: Annotated[
        tuple[Stat, ...] | None,
        argument(
            "growth: over a year, of the same members; coverage: why companies have no value.",
            example=["growth", "coverage"],
            min_length=1,
            max_length=2,
        ),
    ] = None
    members: MembersAsked = None
    as_of: AsOf = None

    @property
    def members_meant(self) -> Members:
        """Who the members are, said or not."""
        return members_meant(self.members, as_of=self.as_of)

    @property
    def group_keys(self) -> tuple[str, ...] | None:
        """The keys of the groups asked for, each once; None for all of them."""
        if self.groups is None:
            return None
        return tuple(dict.fromkeys(group_key(self.group_by, group) for group in self.groups))

    @property
    def lies_ready(self) -> bool:
        """Whether all that is asked for was worked out before."""
        return self.as_of is None and self.stats is None and self.members_meant == "today"


class Wanted(msgspec.Struct, frozen=True):
    """Calendar periods of one form between two labels, the latest `last` of them."""

    metric: Metric
    low: str
    high: str
    form: str
    last: int
    warnings: tuple[str, ...]

    @property
    def ready_period(self) -> str | None:
        """The one period asked for, if Redis holds its kind."""
        return self.low if self.low == self.high and is_held_ready(self.low) else None


def wanted_periods(query: AggregatesQuery) -> Wanted:
    """
    The calendar periods a question is about.

    Raises:
        QueryError: the metric is unknown, no value of it has such a period, or they are more than one answer may have.
    """
    return _wanted_periods(
        query.metric,
        query.period,
        query.period_type,
        query.last,
        query.from_,
        query.to,
        MAX_PERIODS if query.lies_ready else MAX_PERIODS_ON_DEMAND,
    )


@lru_cache(maxsize=4096)
def _wanted_periods(
    key: str,
    period: AskedPeriod | None,
    period_type: PeriodTypes | None,
    last: int | None,
    first: AskedPeriod | None,
    to: AskedPeriod | None,
    most: int,
) -> Wanted:
    metric = find_metrics((key,))[0]
    if period is not None:
        if first or to or last:
            raise contradiction("period", reason="period names one period", fix="drop period, or last, from and to")
        label, warnings = calendar_period(metric, period)
        if metric.over == "duration" and period_type not in (None, kind := _kind_of(period)):
            raise contradiction(
                "period_type", reason=f"{label} is {kind}", fix="drop period_type, or use last, from or to for period"
            )
        return Wanted(metric, label, label, "", 1, warnings)
    ending = _ENDINGS[period_type or "annual"].get(metric.over)
    if ending is None:
        raise contradiction(
            "period_type", reason=f"{key} covers spans, not instants", fix="use annual, quarterly or ttm"
        )
    quarters = ending.startswith("Q") and ending != "Q4I"
    number, suffix = ("[1-4]", ending[1:]) if quarters else ("", ending)
    form = f"^CY[0-9]{{4}}{'Q' if quarters else ''}{number}{suffix}$"
    low = _edge("from", first, quarters=quarters, suffix=suffix, other=1) if first else "CY0000"
    high = _edge("to", to, quarters=quarters, suffix=suffix, other=4) if to else "CY9999Q4TTM"
    if low > high:
        raise contradiction("from", reason="it is after to", fix="swap from and to")
    if last and last > most:
        raise contradiction(
            "last",
            reason=f"with as_of, stats or members=then the figures of {most} periods at most are worked out at once",
            fix=f"use last={most} and ask for earlier ones with to",
        )
    return Wanted(metric, low, high, form, last or (most if first or to else _DEFAULT_PERIODS), ())


def _kind_of(period: AskedPeriod) -> PeriodTypes:
    if period.trailing:
        return "ttm"
    if period.instant:
        return "instant"
    return "quarterly" if period.quarter else "annual"


def _edge(name: str, asked: AskedPeriod, *, quarters: bool, suffix: str, other: int) -> str:
    """The label of the first or last period meant: of a year, its first or last quarter."""
    if asked.kind != "calendar":
        raise contradiction(
            name,
            reason="companies are compared by calendar periods, not by each company's own",
            fix=f"use CY{asked.year}, for example",
        )
    if not quarters:
        return f"CY{asked.year}{suffix}"
    return f"CY{asked.year}Q{asked.quarter or other}{suffix}"
