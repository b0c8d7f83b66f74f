"""Figures that are worked out from other figures."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import cache, reduce

import msgspec

from projections.financials.copies import Span, SpanKind
from projections.financials.rounding import rounded
from projections.financials.timeline import (
    Finding,
    Parts,
    Timeline,
    Version,
    at,
    boundaries,
    covers,
    overlay,
    trace,
    version_age,
)
from projections.financials.year_to_date import SAME_DAY_REACH, trailing_span
from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.formula import Formula, Operand, OperandMissing, parse_formula
from queries.metrics.periods import year_before

Timelines = dict[str, dict[Span, Timeline]]
"""The timeline of every metric for every span, by metric key."""


class Rule(msgspec.Struct, frozen=True):
    """How one formula metric is worked out."""

    metric: Metric
    formula: Formula
    undefined_if: Formula | None
    kinds: tuple[SpanKind, ...]
    required: tuple[Operand, ...]
    operands: tuple[Operand, ...]
    dispensable: frozenset[Operand]

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
            found.append(
                Rule(
                    metric,
                    formula,
                    undefined_if,
                    ("instant",) if metric.over == "instant" else ("annual", "quarterly", "ttm"),
                    required=tuple(operand for operand in formula.needs if not operand.optional),
                    operands=tuple(dict.fromkeys((*formula.needs, *guards))),
                    dispensable=frozenset(operand for operand in formula.needs if operand.optional) - {*guards},
                )
            )
    return tuple(found)


@cache
def years_looked_back() -> tuple[int, ...]:
    """How many years before its period a formula may look."""
    return tuple(sorted({operand.years_ago for rule in rules() for operand in rule.formula.needs} - {0}))


def add_formulas(timelines: Timelines, *, sic: str | None) -> None:
    """
    This will work out every formula that applies, wherever filings have not stated the figure themselves.

    A period begins to exist when the first figure for it is known: before that nothing is worked out for it.
    """
    first_known = _first_known(timelines)
    every = _Calendar(first_known)
    of_metric: dict[str, _Calendar] = {}
    for rule in rules():
        if not applies(rule.metric, sic):
            continue
        spans = timelines[rule.metric.key]
        for operand in rule.looks_back():
            of_metric.setdefault(operand, _Calendar(timelines.get(operand, ())))
        sources = [_Source(operand, timelines.get(operand.metric, {}), of_metric) for operand in rule.operands]
        if not all(source.spans for source in sources if source.operand in rule.required):
            continue
        for span in every.of_kinds(rule.kinds):
            operands = _operand_timelines(rule, span, sources)
            if operands is None:
                continue
            stated = spans.get(span, [])
            since = max(first_known[span], *(operands[operand][0].known_from for operand in rule.required))
            if covers(stated, since):
                continue
            timeline = overlay(stated, _formula_timeline(rule, operands, since=since))
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


class _Source:
    """Where one operand of a rule takes its timelines from."""

    def __init__(self, operand: Operand, spans: Mapping[Span, Timeline], calendars: Mapping[str, _Calendar]) -> None:
        self.operand = operand
        self.spans = spans
        self._calendars = calendars
        self._instant = _is_instant(operand.metric)

    def timeline(self, span: Span) -> Timeline | None:
        """What is known of the operand where the rule is worked out for a span."""
        operand = self.operand
        if self._instant:
            span = Span(span.end, 0)
        elif operand.span == "ttm":
            span = trailing_span(span.end)
        if not operand.years_ago:
            return self.spans.get(span)
        if not self.spans:
            return None
        near = self._calendars[operand.metric].counterparts(span, operand.years_ago)
        # At each instant the nearest period that has a value then: one first stated later must not be looked ahead to.
        nothing: Timeline = []
        return reduce(overlay, (self.spans[counterpart] for counterpart in near), nothing)


def _operand_timelines(rule: Rule, span: Span, sources: Iterable[_Source]) -> dict[Operand, Timeline] | None:
    """The timelines of all operands that have one; None when a required one has none."""
    found: dict[Operand, Timeline] = {}
    for source in sources:
        timeline = source.timeline(span)
        if timeline:
            found[source.operand] = timeline
        elif source.operand not in rule.dispensable:
            return None
    return found


@cache
def _is_instant(key: str) -> bool:
    return load_catalogue().by_key()[key].over == "instant"


def _formula_timeline(rule: Rule, operands: dict[Operand, Timeline], *, since: datetime) -> Timeline:
    if all(len(line) == 1 and line[0].known_to is None for line in operands.values()):
        versions = {operand: line[0] for operand, line in operands.items()}
        if all(version.known_from <= since for version in versions.values()):
            finding = _worked_out(rule, versions)
            return [] if finding is None else [Version.of(finding, known_from=since, known_to=None)]

    def find(instant: datetime) -> Finding | None:
        return _worked_out(
            rule, {operand: version for operand, line in operands.items() if (version := at(line, instant))}
        )

    later = (instant for instant in boundaries(operands.values()) if instant > since)
    return trace((since, *later), find)


def _worked_out(rule: Rule, versions: dict[Operand, Version]) -> Finding | None:
    unit = _common_unit(rule.metric, versions.values())
    if unit is None:
        return None
    values = {operand: version.value for operand, version in versions.items()}
    try:
        if rule.undefined_if is not None and rule.undefined_if.compute(values.get):
            return None
        value, parts = _computed(rule, values)
    except (OperandMissing, DivisionByZero, InvalidOperation, Overflow):
        return None
    newest = max(versions.values(), key=version_age)
    flags = {flag for version in versions.values() for flag in version.flags}
    if rule.metric.kind == "reported":
        flags.add("derived")
    if parts is not None and not _is_in_dollars(frozenset([version.unit for version in versions.values()])):
        parts = None
    return Finding(rounded(value), unit, newest.accession, None, tuple(sorted(flags)) if flags else (), parts=parts)


def _computed(rule: Rule, values: Mapping[Operand, Decimal]) -> tuple[Decimal, Parts | None]:
    formula = rule.formula
    if formula.parts is None or rule.metric.kind != "ratio":
        return formula.compute(values.get), None
    above, below = formula.parts
    numerator, denominator = above(values.get), below(values.get)
    quotient = numerator / denominator
    return quotient - 1 if formula.less_one else quotient, (rounded(numerator), rounded(denominator))


@cache
def _is_in_dollars(units: frozenset[str]) -> bool:
    return all(not unit[:3].isupper() or unit[:3] == "USD" for unit in units)


def _common_unit(metric: Metric, versions: Iterable[Version]) -> str | None:
    """The metric's unit in the one currency of its operands; None when they are in several."""
    return _unit_in_currency(metric.unit, frozenset([version.unit for version in versions]))


@cache
def _unit_in_currency(unit: str, units: frozenset[str]) -> str | None:
    currencies = {each[:3] for each in units if each[:3].isupper()}
    if len(currencies) > 1:
        return None
    return unit.replace("USD", currencies.pop()) if currencies else unit
