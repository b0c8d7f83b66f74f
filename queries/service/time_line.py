"""A company's values in the places of its time line: which periods it has, and which value stands for each."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric
from queries.metrics.periods import (
    calendar_label,
    distance_from_label,
    duration_days,
    fiscal_label,
    standing_order,
    trailing_label,
    year_before,
)
from queries.service.absence import CALENDAR_METRICS, Place, own_currency
from queries.service.asked_period import AskedPeriod
from queries.service.companies import Company
from queries.service.lineage import Predecessor
from queries.service.series_query import DEFAULT_PERIODS, MAX_PERIODS, PeriodsAsked, PeriodTypes, View

TYPICAL_DAYS = {"annual": 365, "quarterly": 91, "ttm": 91}

_LABEL = re.compile(r"CY(\d{4})(?:Q([1-4])(?:I|TTM)?)?")


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A value of a company's metric in the view asked for."""

    cik: int
    metric: str
    unit: str
    period_type: PeriodTypes
    period: str | None
    period_start: date | None
    period_end: date
    duration_days: int
    calendar_offset: int
    value: Decimal
    accession: str
    known_from: datetime
    flags: list[str]

    @property
    def distance(self) -> int:
        """How many days the period is from the calendar period it stands for."""
        return distance_from_label(self.period_type, self.period_end, self.calendar_offset)

    @property
    def place(self) -> Place:
        """Where it stands, as formulas look from there."""
        return Place(kind=self.period_type, end=self.period_end, days=self.duration_days)


Slot = tuple[int, int]
"""A place on a company's time line, the same for durations and the balances at their ends: (year, quarter)."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One company's values of the metrics asked for, each in its slot, and which slots the company has."""

    company: Company
    chosen: dict[tuple[str, Slot], Value]
    beside: dict[Slot, list[Value]]
    slots: list[Slot]

    def cells(self, metrics: Iterable[Metric]) -> Iterator[tuple[Metric, Slot, Value | None]]:
        """Every metric's value in every slot, metric by metric."""
        for metric in metrics:
            for slot in self.slots:
                yield metric, slot, self.chosen.get((metric.key, slot))

    def currency(self, slot: Slot) -> str:
        """The currency of the figures in a slot, or of all where these have none."""
        here = [value.unit for value in self.beside.get(slot, ()) if value.unit[:3].isupper()]
        return own_currency(here or (value.unit for values in self.beside.values() for value in values))


def of_company(company: Company, values: Iterable[Value], earlier: Iterable[Predecessor]) -> list[Value]:
    """A company's values, and those of its predecessors for the periods that ended before it went on."""
    before = {each.origin: each.before for each in earlier if each.cik == company.cik}
    return [
        value if value.cik == company.cik else msgspec.structs.replace(value, flags=[*value.flags, "predecessor"])
        for value in values
        if value.cik == company.cik or (value.cik in before and value.period_end < before[value.cik])
    ]


def line_of(
    company: Company,
    *,
    metrics: Sequence[Metric],
    values: Sequence[Value],
    asked: PeriodsAsked,
    view: View,
    aligned: bool = False,
) -> Line:
    """
    A company's values in the slots asked for; `aligned`, also in others, which the periods of another company may name.
    """
    # A metric over a duration has instants only by mistake of its source; they are not what is asked for.
    kinds = {
        metric.key: "instant" if metric.over == "instant" else asked.period_type
        for metric in metrics
        if applies(metric, company.sic_then)
    }
    fitting = [value for value in values if kinds.get(value.metric) == value.period_type]
    calendar = list(_calendar(values, period_type=asked.period_type))
    closed = {
        value.period_end: slot
        for value in (*calendar, *fitting)
        if value.duration_days and (slot := _labelled(value.period))
    }
    chosen: dict[tuple[str, Slot], Value] = {}
    beside: dict[Slot, list[Value]] = defaultdict(list)
    within: set[Slot] = set()
    for index, value in enumerate((*fitting, *calendar)):
        slot = _slot(value, company=company, period_type=asked.period_type, closed=closed)
        if slot is None:
            continue
        if _inside(value, slot, company=company, asked=asked):
            within.add(slot)
        elif not aligned:
            continue
        beside[slot].append(value)
        held = chosen.get((value.metric, slot))
        if index < len(fitting) and (held is None or _stands_before(value, held, view=view)):
            chosen[value.metric, slot] = value
    return Line(company=company, chosen=chosen, beside=beside, slots=slots_asked(within, asked))


def beside_each_other(lines: Sequence[Line], *, asked: PeriodsAsked) -> list[Line]:
    """The same lines over the same slots: those that any of the companies has, as many as are asked for."""
    slots = slots_asked({slot for line in lines for slot in line.slots}, asked)
    return [
        msgspec.structs.replace(
            line, slots=slots, chosen={place: value for place, value in line.chosen.items() if place[1] in slots}
        )
        for line in lines
    ]


def slots_asked(slots: Iterable[Slot], asked: PeriodsAsked) -> list[Slot]:
    """As many of some slots as are asked for, in their order."""
    wanted = asked.last or (MAX_PERIODS if asked.from_ or asked.to else DEFAULT_PERIODS)
    # With a first period but no last one, the count runs forward from it.
    return sorted(slots)[:wanted] if asked.last and asked.from_ else sorted(slots)[-wanted:]


def label_of(slot: Slot, period_type: PeriodTypes) -> str:
    """The calendar period a slot stands for."""
    year, quarter = slot
    suffix = {"ttm": "TTM", "instant": "I"}.get(period_type, "")
    return f"CY{year}Q{quarter}{suffix}" if quarter else f"CY{year}"


def _calendar(values: Iterable[Value], *, period_type: PeriodTypes) -> Iterator[Value]:
    """Values that show which periods the company has, whatever metrics are asked for."""
    for value in values:
        if value.metric not in CALENDAR_METRICS:
            continue
        if value.period_type == period_type:
            yield value
        elif period_type == "ttm" and value.period_type in ("annual", "quarterly"):
            end = value.period_end
            start = year_before(end, 1) + timedelta(days=1)
            yield msgspec.structs.replace(
                value,
                period_type="ttm",
                period=trailing_label(end),
                period_start=start,
                duration_days=duration_days(start, end),
                calendar_offset=0,
            )


class Gap(NamedTuple):
    """Where a value is missing: whose it would be, over which period, beginning when."""

    cik: int
    place: Place
    start: date | None


def gap_in(line: Line, metric: Metric, slot: Slot, *, period_type: PeriodTypes) -> Gap:
    instant = metric.over == "instant"
    beside = sorted(line.beside.get(slot, ()), key=lambda value: value.distance)
    kind: PeriodTypes = "instant" if instant else period_type
    if not beside:
        return Gap(line.company.cik, Place(kind=kind, end=None, days=0 if instant else None), None)
    alike = next((value for value in beside if (value.duration_days == 0) == instant), None)
    nearest = alike or beside[0]
    days = 0 if instant else alike.duration_days if alike else None
    start = alike.period_start if alike else None
    return Gap(nearest.cik, Place(kind=kind, end=nearest.period_end, days=days), start)


def _slot(value: Value, *, company: Company, period_type: PeriodTypes, closed: Mapping[date, Slot]) -> Slot | None:
    """
    Where a value stands. A balance stands with the period it closes; in annual answers only the balances at the ends of
    fiscal years count.
    """
    if value.duration_days or period_type == "instant":
        return _labelled(value.period)
    if value.period_end in closed:
        return closed[value.period_end]
    if period_type == "annual":
        fiscal = fiscal_label(value.period_end, 0, company.latest_fiscal_year_end)
        if fiscal is None or fiscal[1] != "FY":
            return None
    return _labelled(calendar_label(value.period_end, TYPICAL_DAYS[period_type])[0])


def _labelled(label: str | None) -> Slot | None:
    match = _LABEL.fullmatch(label or "")
    return (int(match[1]), int(match[2] or 0)) if match else None


def _inside(value: Value, slot: Slot, *, company: Company, asked: PeriodsAsked) -> bool:
    if asked.from_ is None and asked.to is None:
        return True
    return (asked.from_ is None or _compare(value, slot, asked.from_, company=company) >= 0) and (
        asked.to is None or _compare(value, slot, asked.to, company=company) <= 0
    )


def _compare(value: Value, slot: Slot, bound: AskedPeriod, *, company: Company) -> int:
    """
    -1, 0 or 1: before, in or after the bound, in the bound's own calendar and grain. By the calendar a value is where
    it stands: a balance with the year it closes, whatever its own label.
    """
    if bound.end is not None:
        return (value.period_end > bound.end) - (value.period_end < bound.end)
    if bound.kind == "fiscal":
        fiscal = fiscal_of(value, company)
        at = (fiscal[0], 4 if fiscal[1] == "FY" else int(fiscal[1][1])) if fiscal else (value.period_end.year, 4)
    else:
        at = (slot[0], slot[1] or 4)
    mine: tuple[int, ...] = at if bound.quarter else at[:1]
    theirs: tuple[int, ...] = (bound.year, bound.quarter) if bound.quarter else (bound.year,)
    return (mine > theirs) - (mine < theirs)


def _stands_before(value: Value, held: Value, *, view: View) -> bool:
    """Whether of two own periods under one calendar label, or two companies' values for one, this one stands for it."""
    # What a successor merely repeats was known through its predecessor before.
    if (
        value.distance == held.distance
        and value.cik != held.cik
        and (view == "first" or (value.value, value.unit) == (held.value, held.unit))
    ):
        return value.known_from < held.known_from
    return _claim(value) < _claim(held)


def _claim(value: Value) -> tuple[int, float, int, int]:
    return standing_order(value.distance, value.known_from, value.duration_days, value.period_end)


def fiscal_of(value: Value, company: Company) -> tuple[int, str] | None:
    # Twelve months that end in the midst of a fiscal year go by the day they end on.
    days = 0 if value.period_type == "ttm" else value.duration_days
    return fiscal_label(value.period_end, days, company.latest_fiscal_year_end)
