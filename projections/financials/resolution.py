"""
From the copies of facts a company has filed to the values of every metric, with what was known when.

Pure: no database, no clock. The same copies give the same rows in whatever order they come.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext
from functools import cache

import msgspec

from projections.financials.timeline import Finding, Timeline, Version, at, boundaries, covers, overlay, trace
from queries.metrics.catalogue import Catalogue, Metric, load_catalogue
from queries.metrics.formula import Formula, Operand, OperandMissing, parse_formula
from queries.metrics.periods import PeriodType, calendar_label, period_type, year_before

SAME_DAY_LAST_YEAR_REACH = timedelta(days=20)
"""How far a period of an earlier year may end from the same calendar day and still be its counterpart."""

WORKING_DIGITS = 60
"""Precision of all arithmetic: sums and products of accepted values are exact."""

_DECIMALS_KEPT = 12


class Copy(msgspec.Struct, frozen=True, gc=False):
    """One filing's copy of one fact. Known from its filing's known_at until the filing is withdrawn."""

    concept: str
    unit: str
    start: date | None
    end: date
    days: int
    value: Decimal
    known_from: datetime
    known_to: datetime | None
    accession: str
    tier: int


class MetricVersion(msgspec.Struct, frozen=True, gc=False):
    """One row of `metric_value` without its company."""

    metric: str
    period_type: PeriodType
    period: str | None
    period_start: date | None
    period_end: date
    duration_days: int
    calendar_offset: int
    revision: int
    known_from: datetime
    known_to: datetime | None
    value: Decimal
    unit: str
    accession: str
    concept: str | None
    flags: tuple[str, ...]


Span = tuple[date, int]
"""A period as (end, days); days is 0 for an instant."""


class Rule(msgspec.Struct, frozen=True):
    """How one formula metric is worked out."""

    metric: Metric
    formula: Formula
    undefined_if: Formula | None
    kinds: frozenset[PeriodType]
    required: tuple[Operand, ...]


class Rulebook(msgspec.Struct, frozen=True):
    """The catalogue, arranged for resolving."""

    metrics_of_concept: dict[str, tuple[Metric, ...]]
    rules: tuple[Rule, ...]
    years_looked_back: tuple[int, ...]


@cache
def rulebook() -> Rulebook:
    """This will arrange the catalogue once a process."""
    return _arrange(load_catalogue())


def relevant_concepts() -> list[str]:
    """The concepts some metric reads."""
    return sorted(rulebook().metrics_of_concept)


def is_relevant(concept: str, unit: str, days: int) -> bool:
    """Whether a fact can feed a metric: a concept of the catalogue, in a fitting unit, over a fitting period."""
    metrics = rulebook().metrics_of_concept.get(concept)
    kind = period_type(days)
    if metrics is None or kind is None:
        return False
    return any(_fits(metric, kind) and _unit_fits(metric.unit, unit) for metric in metrics)


def resolve(copies: Iterable[Copy], *, wanted: Callable[[date], bool]) -> list[MetricVersion]:
    """
    This will work out every metric for the periods whose end is wanted.

    `copies` must hold all relevant copies of one company that end at a wanted day or at the days a formula looks back
    to; others do no harm.
    """
    timelines = _reported(copies)
    with localcontext(prec=WORKING_DIGITS):
        _add_formulas(timelines)
    return list(_rows(timelines, wanted))


class _Calendar:
    """The periods a company has, by kind, to find the counterpart of a period in an earlier year."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._by_kind: dict[PeriodType, list[Span]] = defaultdict(list)
        for span in sorted(set(spans)):
            kind = period_type(span[1])
            if kind is not None:
                self._by_kind[kind].append(span)

    def of_kinds(self, kinds: Iterable[PeriodType]) -> Iterator[Span]:
        for kind in kinds:
            yield from self._by_kind[kind]

    def counterpart(self, span: Span, kind: PeriodType, years: int) -> Span | None:
        """The period of this kind that ends nearest to the same day so many years before."""
        day = year_before(span[0], years)
        spans = self._by_kind[kind]
        low = bisect_left(spans, (day - SAME_DAY_LAST_YEAR_REACH, 0))
        best: Span | None = None
        best_key: tuple[int, int] | None = None
        for candidate in spans[low:]:
            if candidate[0] > day + SAME_DAY_LAST_YEAR_REACH:
                break
            key = (abs((candidate[0] - day).days), abs(candidate[1] - span[1]))
            if best_key is None or key < best_key:
                best, best_key = candidate, key
        return best


_Timelines = dict[str, dict[Span, Timeline]]


def _reported(copies: Iterable[Copy]) -> _Timelines:
    metrics_of_concept = rulebook().metrics_of_concept
    candidates: dict[tuple[str, Span], list[Copy]] = defaultdict(list)
    metrics: dict[str, Metric] = {}
    for copy in copies:
        kind = period_type(copy.days)
        if kind is None:
            continue
        for metric in metrics_of_concept.get(copy.concept, ()):
            if _fits(metric, kind) and _unit_fits(metric.unit, copy.unit):
                metrics[metric.key] = metric
                candidates[metric.key, (copy.end, copy.days)].append(copy)
    timelines: _Timelines = defaultdict(dict)
    for (key, span), found in candidates.items():
        timelines[key][span] = _reported_timeline(metrics[key], found)
    return timelines


def _reported_timeline(metric: Metric, copies: list[Copy]) -> Timeline:
    first = copies[0]
    if all(
        copy.value == first.value
        and copy.unit == first.unit
        and copy.concept == first.concept
        and copy.tier == first.tier
        and copy.known_to is None
        for copy in copies
    ):
        earliest = min(copies, key=_age)
        finding = _finding(metric, earliest)
        return [
            Version(
                finding.value,
                finding.unit,
                earliest.known_from,
                None,
                finding.accession,
                finding.concept,
                finding.flags,
            )
        ]
    instants = {copy.known_from for copy in copies} | {copy.known_to for copy in copies if copy.known_to is not None}

    def find(instant: datetime) -> Finding | None:
        known = [
            copy for copy in copies if copy.known_from <= instant and (copy.known_to is None or instant < copy.known_to)
        ]
        return _finding(metric, _select(metric, known)) if known else None

    return trace(instants, find)


def _age(copy: Copy) -> tuple[datetime, str]:
    return copy.known_from, copy.accession


def _select(metric: Metric, known: list[Copy]) -> Copy:
    trusted = min(copy.tier for copy in known)
    known = [copy for copy in known if copy.tier == trusted]
    if any(copy.unit == metric.unit for copy in known):
        known = [copy for copy in known if copy.unit == metric.unit]
    else:
        unit = min(copy.unit for copy in known)
        known = [copy for copy in known if copy.unit == unit]
    if metric.selection == "largest_total":
        totals = [copy for copy in known if copy.concept in metric.selection_set]
        if totals:
            newest = max(totals, key=_age).accession
            return max(
                (copy for copy in totals if copy.accession == newest),
                key=lambda copy: (copy.value, -metric.concepts.index(copy.concept)),
            )
    concept = min((copy.concept for copy in known), key=metric.concepts.index)
    return max((copy for copy in known if copy.concept == concept), key=_age)


def _finding(metric: Metric, copy: Copy) -> Finding:
    flags = ("current_report",) if copy.tier else ()
    if copy.concept in metric.negated_concepts:
        return Finding(rounded(-copy.value), copy.unit, copy.accession, copy.concept, (*flags, "sign_changed"))
    return Finding(copy.value, copy.unit, copy.accession, copy.concept, flags)


def _add_formulas(timelines: _Timelines) -> None:
    calendar = _Calendar(span for spans in timelines.values() for span in spans)
    for rule in rulebook().rules:
        spans = timelines[rule.metric.key]
        for span in calendar.of_kinds(rule.kinds):
            operands = _operand_timelines(rule, span, timelines, calendar)
            if operands is None:
                continue
            reported = spans.get(span, [])
            known_since = max(operands[operand][0].known_from for operand in rule.required)
            if covers(reported, known_since):
                continue
            timeline = overlay(reported, _formula_timeline(rule, operands))
            if timeline:
                spans[span] = timeline


def _operand_timelines(
    rule: Rule, span: Span, timelines: _Timelines, calendar: _Calendar
) -> dict[Operand, Timeline] | None:
    """The timelines of all operands that have one; None when a required one has none."""
    found: dict[Operand, Timeline] = {}
    for operand in rule.formula.needs:
        timeline = _operand_timeline(operand, span, timelines, calendar)
        if timeline:
            found[operand] = timeline
        elif not operand.optional:
            return None
    if rule.undefined_if is not None:
        for operand in rule.undefined_if.needs:
            timeline = _operand_timeline(operand, span, timelines, calendar)
            if not timeline:
                return None
            found[operand] = timeline
    return found


def _operand_timeline(operand: Operand, span: Span, timelines: _Timelines, calendar: _Calendar) -> Timeline | None:
    spans = timelines.get(operand.metric)
    if not spans:
        return None
    end, days = span
    is_instant = _over_of(operand.metric) == "instant"
    if operand.span == "ttm" and period_type(days) != "annual":
        return None
    if not operand.years_ago:
        return spans.get((end, 0) if is_instant else span)
    kind = "instant" if is_instant else period_type(days)
    if kind is None:
        return None
    counterpart = calendar.counterpart(span, kind, operand.years_ago)
    return spans.get(counterpart) if counterpart else None


def _formula_timeline(rule: Rule, operands: dict[Operand, Timeline]) -> Timeline:
    def find(instant: datetime) -> Finding | None:
        versions = {operand: version for operand, line in operands.items() if (version := at(line, instant))}
        unit = _common_unit(rule.metric, versions.values())
        if unit is None:
            return None
        values = {operand: version.value for operand, version in versions.items()}
        try:
            if rule.undefined_if is not None and rule.undefined_if.compute(values.get):
                return None
            value = rule.formula.compute(values.get)
        except (OperandMissing, DivisionByZero, InvalidOperation, Overflow):
            return None
        newest = max(versions.values(), key=lambda version: (version.known_from, version.accession))
        flags = {flag for version in versions.values() for flag in version.flags}
        if rule.metric.kind == "reported":
            flags.add("derived")
        return Finding(rounded(value), unit, newest.accession, None, tuple(sorted(flags)))

    return trace(boundaries(operands.values()), find)


def rounded(value: Decimal) -> Decimal:
    """A worked-out value as it is kept: at most twelve decimals."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_DECIMALS_KEPT:
        value = round(value, _DECIMALS_KEPT)
    return value or Decimal(0)  # never a negative zero


def _common_unit(metric: Metric, versions: Iterable[Version]) -> str | None:
    """The metric's unit in the one currency of its operands; None when they are in several."""
    currencies = {version.unit[:3] for version in versions if version.unit[:3].isupper()}
    if len(currencies) > 1:
        return None
    return metric.unit.replace("USD", currencies.pop()) if currencies else metric.unit


def _rows(timelines: _Timelines, wanted: Callable[[date], bool]) -> Iterator[MetricVersion]:
    for key, spans in timelines.items():
        for (end, days), timeline in spans.items():
            kind = period_type(days)
            if kind is None or not wanted(end):
                continue
            label, offset = calendar_label(end, days)
            start = end - timedelta(days=days - 1) if days else None
            for revision, version in enumerate(timeline):
                yield MetricVersion(
                    key,
                    kind,
                    label,
                    start,
                    end,
                    days,
                    offset,
                    revision,
                    version.known_from,
                    version.known_to,
                    version.value,
                    version.unit,
                    version.accession,
                    version.concept,
                    (*version.flags, "restated") if revision else version.flags,
                )


def _arrange(catalogue: Catalogue) -> Rulebook:
    metrics_of_concept: dict[str, list[Metric]] = defaultdict(list)
    rules: list[Rule] = []
    for metric in catalogue.metrics:
        for concept in metric.concepts:
            metrics_of_concept[concept].append(metric)
        if metric.formula is not None:
            formula = parse_formula(metric.formula)
            undefined_if = parse_formula(metric.undefined_if) if metric.undefined_if else None
            rules.append(
                Rule(
                    metric,
                    formula,
                    undefined_if,
                    frozenset(("instant",) if metric.over == "instant" else ("annual", "quarterly")),
                    tuple(operand for operand in formula.needs if not operand.optional),
                )
            )
    years = {operand.years_ago for rule in rules for operand in rule.formula.needs} - {0}
    return Rulebook(
        {concept: tuple(metrics) for concept, metrics in metrics_of_concept.items()},
        tuple(rules),
        tuple(sorted(years)),
    )


@cache
def _over_of(key: str) -> str:
    return load_catalogue().by_key()[key].over


def _fits(metric: Metric, kind: PeriodType) -> bool:
    return (metric.over == "instant") == (kind == "instant")


@cache
def _unit_fits(wanted: str, unit: str) -> bool:
    """Whether a unit is the wanted one, in whatever currency."""
    if "USD" not in wanted:
        return unit == wanted
    currency, rest = unit[:3], unit[3:]
    return len(currency) == 3 and currency.isalpha() and currency.isupper() and rest == wanted.removeprefix("USD")
