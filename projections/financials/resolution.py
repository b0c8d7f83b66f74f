"""
From the copies of facts a company has filed to the values of every metric, with what was known when.

Pure: no database, no clock. The same copies give the same rows in whatever order they come. The rules, in words, are in
docs/figures.md.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import NamedTuple

import msgspec

from projections.financials.all_costs import without_all_costs
from projections.financials.checks import BrokenCheck, broken_by_span, find_broken
from projections.financials.continuing import without_continuing_alone
from projections.financials.copies import Copy, Span, age, metrics_fed
from projections.financials.formulas import Histories, Timelines, add_formulas
from projections.financials.never_negative import turned_positive, without_parts_above_wholes
from projections.financials.reported import BrokenChecks, reported_timeline
from projections.financials.rounding import WORKING_DIGITS
from projections.financials.span_history import SpanHistory
from projections.financials.timeline import Source
from projections.financials.year_to_date import Quarter, quarters_of, trailing_timelines
from projections.financials.years_as_quarters import without_years
from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric
from queries.metrics.periods import PeriodType, calendar_label, trailing_label


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
    sources: tuple[Source, ...]
    flags: tuple[str, ...]
    numerator: Decimal | None
    denominator: Decimal | None


class Resolved(msgspec.Struct, frozen=True):
    """What a company's copies amount to, for the wanted ends."""

    values: list[MetricVersion]
    checks: list[BrokenCheck]


def resolve(copies: Iterable[Copy], *, sic: str | None, wanted: Callable[[date], bool]) -> Resolved:
    """
    This will work out every metric for the periods whose end is wanted.

    `copies` must hold all relevant copies of one company that end at a wanted day or at the days the rules look back
    to; others do no harm. `sic` decides which metrics apply.
    """
    # A filing that was withdrawn before it became known never said anything.
    copies = [copy for copy in copies if copy.known_to is None or copy.known_from < copy.known_to]
    with localcontext(prec=WORKING_DIGITS):
        for mended in (turned_positive, without_all_costs, without_continuing_alone, without_parts_above_wholes):
            copies = mended(copies)
        broken = find_broken(copies)
        timelines, histories = _from_facts(copies, broken, sic)
        add_formulas(timelines, histories, sic=sic)
    return Resolved(list(_rows(timelines, wanted)), [check for check in broken if wanted(check.period_end)])


def _from_facts(copies: Iterable[Copy], broken: Iterable[BrokenCheck], sic: str | None) -> tuple[Timelines, Histories]:
    candidates: dict[str, dict[Span, list[Copy]]] = defaultdict(lambda: defaultdict(list))
    spans: dict[tuple[date, int], Span] = {}
    metrics: dict[str, Metric] = {}
    for copy in sorted(copies, key=age):
        span = spans.get((copy.end, copy.days))
        if span is None:
            span = spans[copy.end, copy.days] = Span(copy.end, copy.days)
        for metric in metrics_fed(copy.concept, copy.unit, copy.days):
            if metric.key not in metrics:
                if not applies(metric, sic):
                    continue
                metrics[metric.key] = metric
            candidates[metric.key][span].append(copy)
    histories = {key: _histories(metrics[key], of_span) for key, of_span in candidates.items()}
    checks = broken_by_span(broken)
    timelines: Timelines = defaultdict(dict)
    for key, of_metric in histories.items():
        timelines[key] = {
            span: reported_timeline(metrics[key], history, checks.get(span, {}))
            for span, history in of_metric.items()
            if span.kind is not None
        }
    additive = [metric for metric in metrics.values() if metric.additive]
    _add_quarters_and_twelve_months(timelines, histories, additive, checks)
    return timelines, histories


def _histories(metric: Metric, copies: Mapping[Span, list[Copy]]) -> dict[Span, SpanHistory]:
    if metric.additive:
        copies = without_years(copies)
    return {span: SpanHistory(metric, found) for span, found in copies.items()}


def _add_quarters_and_twelve_months(
    timelines: Timelines,
    histories: Mapping[str, Mapping[Span, SpanHistory]],
    additive: Sequence[Metric],
    broken: Mapping[Span, BrokenChecks],
) -> None:
    quarters: dict[str, dict[Span, Quarter]] = {}
    for metric in additive:
        found = quarters_of(metric, histories[metric.key], timelines[metric.key], broken)
        quarters[metric.key] = found
        timelines[metric.key].update((span, quarter.timeline) for span, quarter in found.items())
    ends = _first_known_ends(timelines)
    for metric in additive:
        spans = timelines[metric.key]
        spans.update(trailing_timelines(metric, histories[metric.key], spans, quarters[metric.key], ends=ends))


def _first_known_ends(timelines: Timelines) -> dict[date, datetime]:
    """The ends of quarters and years, and since when each is known to be one."""
    known: dict[date, datetime] = {}
    for spans in timelines.values():
        for span, timeline in spans.items():
            if span.kind in {"annual", "quarterly"}:
                first = timeline[0].known_from
                known[span.end] = min(first, known.get(span.end, first))
    return known


_NO_PARTS = (None, None)


def _rows(timelines: Timelines, wanted: Callable[[date], bool]) -> Iterator[MetricVersion]:
    places: dict[Span, _Place | None] = {}
    for key, spans in timelines.items():
        for span, timeline in spans.items():
            if span not in places:
                places[span] = _place(span) if wanted(span.end) else None
            place = places[span]
            if place is None:
                continue
            for revision, version in enumerate(timeline):
                yield MetricVersion(
                    key,
                    place.kind,
                    place.label,
                    place.start,
                    span.end,
                    span.days,
                    place.offset,
                    revision,
                    version.known_from,
                    version.known_to,
                    version.value,
                    version.unit,
                    version.accession,
                    version.concept,
                    version.sources,
                    (*version.flags, "restated") if revision else version.flags,
                    *(version.parts or _NO_PARTS),
                )


class _Place(NamedTuple):
    """What the rows of a span say of it besides its end and length."""

    kind: PeriodType
    label: str | None
    offset: int
    start: date | None


def _place(span: Span) -> _Place | None:
    """None for a span no metric is kept for."""
    kind = span.kind
    if kind is None:
        return None
    label, offset = calendar_label(span.end, 0 if span.trailing else span.days)
    start = span.end - timedelta(days=span.days - 1) if span.days else None
    return _Place(kind, trailing_label(span.end) if span.trailing else label, offset, start)
