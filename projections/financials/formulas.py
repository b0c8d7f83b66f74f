"""Figures that are worked out from other figures."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import cache, partial, reduce
from typing import NamedTuple

import msgspec

from projections.financials.copies import Span, SpanKind
from projections.financials.recasts import Followed, Place, Versions, may_be_of_one_filing
from projections.financials.rounding import rounded
from projections.financials.span_history import SpanHistory
from projections.financials.timeline import (
    Finding,
    Parts,
    Timeline,
    Version,
    at,
    boundaries,
    covers,
    held_from,
    overlay,
    trace,
    version_age,
)
from projections.financials.year_to_date import SAME_DAY_REACH, trailing_span
from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.formula import NOTHING, Formula, Operand, parse_formula
from queries.metrics.periods import year_before

Timelines = dict[str, dict[Span, Timeline]]
"""The timeline of every metric for every span, by metric key."""

Histories = Mapping[str, Mapping[Span, SpanHistory]]
"""What filings have stated of every metric for every span, by metric key."""


class Rule(msgspec.Struct, frozen=True):
    """
    How one formula metric is worked out.

    `operands` are those of the formula, then the others of `undefined_if`, which takes those at `guards`. Of the places
    among them, the formula cannot do without a value at `required`; there need never have been one at `dispensable`.
    """

    metric: Metric
    formula: Formula
    undefined_if: Formula | None
    kinds: tuple[SpanKind, ...]
    operands: tuple[Operand, ...]
    guards: tuple[int, ...]
    required: tuple[int, ...]
    dispensable: frozenset[int]

    def looks_back(self) -> set[str]:
        """The metrics whose earlier years it needs."""
        return {operand.metric for operand in self.formula.needs if operand.years_ago}


@cache
def rules() -> tuple[Rule, ...]:
    """The formulas of the catalogue in its order, so that operands come before what needs them."""
    found = []
    for metric in load_catalogue().metrics:
        if metric.formula is not None:
            formula = parse_formula(metric.formula)
            undefined_if = parse_formula(metric.undefined_if) if metric.undefined_if else None
            guards = undefined_if.needs if undefined_if else ()
            operands = tuple(dict.fromkeys((*formula.needs, *guards)))
            own = range(len(formula.needs))
            found.append(
                Rule(
                    metric,
                    formula,
                    undefined_if,
                    ("instant",) if metric.over == "instant" else ("annual", "quarterly", "ttm"),
                    operands=operands,
                    guards=tuple(map(operands.index, guards)),
                    required=tuple(place for place in own if not operands[place].optional),
                    dispensable=frozenset(
                        place for place in own if operands[place].optional and operands[place] not in guards
                    ),
                )
            )
    return tuple(found)


@cache
def years_looked_back() -> tuple[int, ...]:
    """How many years before its period a formula may look."""
    return tuple(sorted({operand.years_ago for rule in rules() for operand in rule.formula.needs} - {0}))


def add_formulas(timelines: Timelines, histories: Histories, *, sic: str | None) -> None:
    """
    This will work out every formula that applies, wherever filings have not stated the figure themselves.

    A period begins to exist when the first figure for it is known: before that nothing is worked out for it.
    """
    first_known = _first_known(timelines)
    every = _Calendar(first_known)
    of_metric: dict[str, _Calendar] = {}
    filed = _Filed(histories, of_metric)
    for rule in rules():
        if not applies(rule.metric, sic):
            continue
        spans = timelines[rule.metric.key]
        for operand in rule.looks_back():
            of_metric.setdefault(operand, _Calendar(timelines.get(operand, ())))
        if not all(timelines.get(rule.operands[place].metric) for place in rule.required):
            continue
        lookups = [_lookup(operand, timelines.get(operand.metric, {}), of_metric) for operand in rule.operands]
        for span in every.of_kinds(rule.kinds):
            lines = _operand_lines(rule, lookups, span)
            if lines is None:
                continue
            stated = spans.get(span, [])
            since = max(first_known[span], *[lines[place][0].known_from for place in rule.required])
            if stated and covers(stated, since):
                continue
            timeline = overlay(stated, _formula_timeline(rule, lines, filed, span, since=since))
            if timeline:
                spans[span] = timeline


def _first_known(timelines: Timelines) -> dict[Span, datetime]:
    first: dict[Span, datetime] = {}
    for spans in timelines.values():
        for span, timeline in spans.items():
            known_from = timeline[0].known_from
            if span not in first or known_from < first[span]:
                first[span] = known_from
    return first


class _Calendar:
    """The spans there are figures for, by kind, to find the counterparts of one in an earlier year."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._by_kind: dict[SpanKind, list[Span]] = defaultdict(list)
        for span in sorted(set(spans)):
            self._by_kind[span.kind].append(span)

    def of_kinds(self, kinds: Iterable[SpanKind]) -> Iterator[Span]:
        for kind in kinds:
            yield from self._by_kind[kind]

    def counterparts(self, span: Span, years: int) -> list[Span]:
        """The spans of the same kind that end near the same day so many years before, the nearest first."""
        day = year_before(span.end, years)
        spans = self._by_kind[span.kind]
        near: list[Span] = []
        for candidate in spans[bisect_left(spans, Span(day - SAME_DAY_REACH, 0)) :]:
            if candidate.end > day + SAME_DAY_REACH:
                break
            near.append(candidate)
        near.sort(key=lambda found: (abs((found.end - day).days), abs(found.days - span.days)))
        return near


_Lookup = Callable[[Span], Timeline | None]
"""Finds what is known of an operand where a rule is worked out for a span."""


def _lookup(operand: Operand, spans: Mapping[Span, Timeline], calendars: Mapping[str, _Calendar]) -> _Lookup:
    instant, trailing = _is_instant(operand.metric), operand.span == "ttm"
    if not (instant or trailing or operand.years_ago):
        return spans.get

    def lookup(span: Span) -> Timeline | None:
        if instant:
            span = Span(span.end, 0)
        elif trailing:
            span = trailing_span(span.end)
        if not operand.years_ago:
            return spans.get(span)
        if not spans:
            return None
        near = calendars[operand.metric].counterparts(span, operand.years_ago)
        # At each instant the nearest period that has a value then: one first stated later must not be looked ahead to.
        nothing: Timeline = []
        return reduce(overlay, [spans[counterpart] for counterpart in near], nothing)

    return lookup


class _Filed(NamedTuple):
    """What filings have stated of every metric, and where the counterparts of a span stand."""

    histories: Histories
    calendars: Mapping[str, _Calendar]

    def places(self, rule: Rule, span: Span) -> list[Place]:
        """What filings have stated of the operands of a rule; of twelve months as far as they are a year."""
        metrics = load_catalogue().by_key()
        return [Place(metrics[each.metric], list(self._histories_of(each, span))) for each in rule.operands]

    def _histories_of(self, operand: Operand, span: Span) -> Iterator[SpanHistory]:
        of_metric = self.histories.get(operand.metric, {})
        if _is_instant(operand.metric):
            span = Span(span.end, 0)
        elif operand.span == "ttm":
            span = trailing_span(span.end)
        near = [span]
        if operand.years_ago:
            near = self.calendars[operand.metric].counterparts(span, operand.years_ago)
        for each in near:
            if each.trailing:
                yield from (of_metric[year] for year in of_metric if year.end == each.end and year.kind == "annual")
            elif each in of_metric:
                yield of_metric[each]


def _operand_lines(rule: Rule, lookups: Sequence[_Lookup], span: Span) -> list[Timeline] | None:
    """The timelines of a rule's operands, empty where there is none; None when one that must have one has none."""
    lines: list[Timeline] = []
    for place, lookup in enumerate(lookups):
        line = lookup(span)
        if not line and place not in rule.dispensable:
            return None
        lines.append(line or [])
    return lines


@cache
def _is_instant(key: str) -> bool:
    return load_catalogue().by_key()[key].over == "instant"


def _formula_timeline(rule: Rule, lines: Sequence[Timeline], filed: _Filed, span: Span, *, since: datetime) -> Timeline:
    if (lasting := _lasting(lines, since)) is not None:
        finding = _worked_out(rule, lasting)
        return [] if finding is None else held_from(since, finding)
    later = (instant for instant in boundaries(lines) if instant > since)
    instants = (since, *later)
    if not may_be_of_one_filing(lines):
        return trace(instants, lambda instant: _worked_out(rule, [at(line, instant) for line in lines]))
    places = partial(filed.places, rule, span)
    work_out = partial(_worked_out, rule)
    followed = Followed(lines, places, work_out)
    timeline = trace(instants, followed.at)
    if not followed.kept:
        return timeline
    # A filing that repeats all operands ends this, though none of their timelines changes with it.
    more = [instant for instant in followed.instants() if instant > since]
    return trace((*instants, *more), Followed(lines, places, work_out).at)


def _lasting(lines: Iterable[Timeline], since: datetime) -> Versions | None:
    """The versions that hold at an instant and ever after; None when anything changes."""
    versions: Versions = []
    for line in lines:
        if not line:
            versions.append(None)
            continue
        version = line[0]
        if len(line) > 1 or version.known_to is not None or version.known_from > since:
            return None
        versions.append(version)
    return versions


def _worked_out(rule: Rule, versions: Sequence[Version | None]) -> Finding | None:
    """What the rule gives with these versions of its operands."""
    known: list[Version] = []
    values: list[Decimal] = []
    for version, operand in zip(versions, rule.operands, strict=True):
        if version is not None:
            known.append(version)
            values.append(version.value)
        elif operand.optional:
            values.append(NOTHING)
        else:
            return None
    unit, in_dollars = _unit_of(rule.metric.unit, tuple([version.unit for version in known]))
    if unit is None:
        return None
    try:
        if rule.undefined_if is not None and rule.undefined_if.evaluate([values[place] for place in rule.guards]):
            return None
        value, parts = _computed(rule, values)
    except (DivisionByZero, InvalidOperation, Overflow):
        return None
    newest = max(known, key=version_age)
    flags = {flag for version in known for flag in version.flags}
    if rule.metric.kind == "reported":
        flags.add("derived")
    return Finding(
        rounded(value),
        unit,
        newest.accession,
        None,
        tuple(sorted(flags)) if flags else (),
        parts=parts if in_dollars else None,
    )


def _computed(rule: Rule, values: Sequence[Decimal]) -> tuple[Decimal, Parts | None]:
    formula = rule.formula
    if formula.parts is None or rule.metric.kind != "ratio":
        return formula.evaluate(values), None
    above, below = formula.parts
    numerator, denominator = above(values), below(values)
    quotient = numerator / denominator
    return quotient - 1 if formula.less_one else quotient, (rounded(numerator), rounded(denominator))


@cache
def _unit_of(unit: str, of_operands: tuple[str, ...]) -> tuple[str | None, bool]:
    """A metric's unit in the one currency of its operands, None when they are in several; whether that is dollars."""
    currencies = {each[:3] for each in of_operands if each[:3].isupper()}
    if len(currencies) > 1:
        return None, False
    currency = next(iter(currencies), "USD")
    return unit.replace("USD", currency), currency == "USD"
