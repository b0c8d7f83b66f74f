"""Why there is no figure, and what would be needed for one. The rules are those of docs/figures.md."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import cache
from typing import Final, Protocol

import msgspec

from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, formula_of, load_catalogue
from queries.metrics.formula import Formula, Operand, OperandMissing, parse_formula
from queries.metrics.periods import PeriodType, year_before

REASONS: Final = {
    "not_reported": "no filing known then states it, and no formula gives it",
    "not_applicable": "the metric makes no sense for this kind of company",
    "operand_missing": "its formula needs a value that is not there",
    "undefined": "its formula has no result, such as a ratio to nothing or to a negative base",
    "currency_mismatch": "the operands of its formula are in several currencies",
    "no_twelve_months": "there is no way to twelve months of one vintage",
    "parked": "events of this company wait behind one that could not be read",
}
"""Why a value is null; `operand_missing` is followed by a colon and the metric that is missing."""

CALENDAR_METRICS: Final = ("revenue", "net_income", "total_assets")
"""What nearly every company reports: the periods these have a value for are those the company has."""

COUNTERPART_REACH = timedelta(days=20)
"""How far a period of an earlier year may end from the same calendar day."""


class KnownValue(Protocol):
    """A value as it was known at some instant."""

    @property
    def metric(self) -> str: ...
    @property
    def period_type(self) -> str: ...
    @property
    def period(self) -> str | None: ...
    @property
    def period_end(self) -> date: ...
    @property
    def duration_days(self) -> int: ...
    @property
    def value(self) -> Decimal: ...
    @property
    def unit(self) -> str: ...


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A period a value may stand for; `end` and `days` are None where the company has no such period."""

    kind: PeriodType
    end: date | None
    days: int | None


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """
    Why there is no value: `reason`, and what it would take in `missing` (concepts, operands, or the condition that does
    not hold). `newest` names the newest period that has a value, where that says how to ask instead.
    """

    reason: str
    missing: tuple[str, ...] = ()
    newest: str | None = None


class Known[V: KnownValue]:
    """The values of one company at one instant, to be found the way formulas find their operands."""

    def __init__(self, values: Iterable[V]) -> None:
        self._values: dict[tuple[str, str], list[V]] = defaultdict(list)
        self._metrics: set[str] = set()
        for value in values:
            self._values[value.metric, value.period_type].append(value)
            self._metrics.add(value.metric)

    def of(self, metric: str, kind: str) -> Sequence[V]:
        """Every value of a metric for one kind of period."""
        return self._values.get((metric, kind), ())

    def has(self, metric: str) -> bool:
        """Whether the metric has a value for any period."""
        return metric in self._metrics

    def newest(self, metric: str, kind: str) -> V | None:
        """The value for the period that ended last."""
        return max(self.of(metric, kind), key=lambda value: value.period_end, default=None)

    def operand(self, operand: Operand, *, place: Place) -> V | None:
        """The value a formula takes for an operand when it is worked out for a place."""
        own = place_of(operand, place=place)
        if own.end is None:
            return None
        day, days = own.end, own.days
        reach = COUNTERPART_REACH if operand.years_ago else timedelta(0)
        near = [value for value in self.of(operand.metric, own.kind) if abs(value.period_end - day) <= reach]
        if days is not None and not operand.years_ago:
            near = [value for value in near if value.duration_days == days]
        return min(
            near,
            key=lambda value: (abs(value.period_end - day), abs(value.duration_days - (days or value.duration_days))),
            default=None,
        )


def place_of(operand: Operand, *, place: Place) -> Place:
    """Where an operand's own value stands when a formula is worked out for a place."""
    end = year_before(place.end, operand.years_ago) if place.end else None
    if load_catalogue().by_key()[operand.metric].over == "instant":
        return Place(kind="instant", end=end, days=0)
    if operand.span == "ttm" and end is not None:
        return Place(kind="ttm", end=end, days=(end - year_before(end, 1)).days)
    return Place(kind=place.kind, end=end, days=None if operand.years_ago else place.days)


def metrics_consulted(metric: Metric) -> set[str]:
    """The metrics whose values have to be known to say why this one has none."""
    return {metric.key}.union(*(formula.operands() for formula in _formulas(metric.key)))


def first_end_consulted(places: Iterable[Place]) -> date | None:
    """The end of the earliest period a formula may look at from any of these places; None where none is known."""
    first = min((place.end for place in places if place.end is not None), default=None)
    return None if first is None else year_before(first, _years_looked_back()) - COUNTERPART_REACH


@cache
def _years_looked_back() -> int:
    metrics = load_catalogue().metrics
    return max((operand.years_ago for m in metrics for each in _formulas(m.key) for operand in each.needs), default=0)


def metrics_behind(metric: Metric) -> set[str]:
    """The metrics a value may be worked out from, and those these may be worked out from."""
    found: set[str] = set()
    ahead = {metric.key}
    while ahead:
        found |= ahead
        by_key = load_catalogue().by_key()
        ahead = set[str]().union(*(metrics_consulted(by_key[key]) for key in ahead)) - found
    return found


def own_currency(units: Iterable[str]) -> str:
    """The currency a company reports in, by the units of its figures: USD where it uses that or none at all."""
    currencies = sorted({unit[:3] for unit in units if unit[:3].isupper()})
    return currencies[0] if currencies and "USD" not in currencies else "USD"


def unit_in(metric: Metric, currency: str) -> str:
    """The unit a metric has for a company that reports in a currency."""
    return metric.unit.replace("USD", currency)


def why_absent[V: KnownValue](metric: Metric, place: Place, *, sics: Iterable[str | None], known: Known[V]) -> Absence:
    """This will say why a metric has no value at a place, given what was known then and what the company was and is."""
    if not all(applies(metric, sic) for sic in sics):
        return Absence(reason="not_applicable")
    newest = known.newest(metric.key, "ttm") if place.kind == "ttm" else None
    label = newest.period if newest else None
    # A metric with concepts is first of all stated; that its formula cannot stand in for it is not the reason.
    unstated = Absence(reason="not_reported", missing=metric.concepts)
    if place.kind == "ttm" and metric.over == "duration" and known.has(metric.key):
        unstated = Absence(reason="no_twelve_months", newest=label)
    formula = formula_of(metric.key)
    if formula is None:
        return unstated
    found = {operand: known.operand(operand, place=place) for each in _formulas(metric.key) for operand in each.needs}
    lacking = [operand for operand, value in found.items() if value is None and not operand.optional]
    if lacking and metric.kind == "reported":
        return unstated
    if lacking:
        missing = tuple(dict.fromkeys(_in_words(operand) for operand in lacking))
        return Absence(reason=f"operand_missing:{lacking[0].metric}", missing=missing, newest=label)
    units = {value.unit[:3]: value for value in found.values() if value is not None and value.unit[:3].isupper()}
    if len(units) > 1:
        missing = tuple(f"{value.metric} in {unit}" for unit, value in sorted(units.items()))
        return Absence(reason="currency_mismatch", missing=missing)
    values = {operand: value.value for operand, value in found.items() if value is not None}
    if _is_undefined(metric, formula, values):
        return Absence(reason="undefined", missing=(metric.undefined_if or formula.text,))
    return unstated


def _is_undefined(metric: Metric, formula: Formula, values: dict[Operand, Decimal]) -> bool:
    try:
        if metric.undefined_if and parse_formula(metric.undefined_if).compute(values.get):
            return True
        formula.compute(values.get)
    except (OperandMissing, DivisionByZero, InvalidOperation, Overflow):
        return True
    return False


@cache
def _formulas(key: str) -> tuple[Formula, ...]:
    metric = load_catalogue().by_key()[key]
    return tuple(parse_formula(text) for text in (metric.formula, metric.undefined_if) if text)


def _in_words(operand: Operand) -> str:
    if operand.years_ago:
        return f"years_ago({operand.metric}, {operand.years_ago})"
    return f"ttm({operand.metric})" if operand.span == "ttm" else operand.metric
