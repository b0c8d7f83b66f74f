"""The value filings themselves state for a metric and a period."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from projections.financials.copies import Copy
from projections.financials.rounding import rounded
from projections.financials.span_history import SpanHistory
from projections.financials.timeline import Finding, Timeline, held_from, trace
from queries.metrics.catalogue import Metric

BrokenChecks = Mapping[str, frozenset[str]]
"""The accessions whose accounting identities fail for a span, and the metrics each failure involves."""


def value_of(metric: Metric, copy: Copy) -> Decimal:
    """What a copy comes to for a metric: the opposite, where the catalogue negates its concept."""
    return rounded(-copy.value) if copy.concept in metric.negated_concepts else copy.value


def reported_timeline(metric: Metric, history: SpanHistory, broken: BrokenChecks) -> Timeline:
    """This will trace what filings have stated of the metric's concepts for one span."""
    if history.undisputed and not broken:
        earliest = history.copies[0]
        return held_from(earliest.known_from, _finding(metric, earliest, (), broken))

    return trace(history.instants, lambda instant: reported_at(metric, history, broken, instant))


def reported_at(metric: Metric, history: SpanHistory, broken: BrokenChecks, instant: datetime) -> Finding | None:
    """What filings stated at an instant of the metric's concepts for one span."""
    standing = history.at(instant)
    if standing is None:
        return None
    copy, flags = standing.stated
    return _finding(metric, copy, flags, broken)


def _finding(metric: Metric, copy: Copy, flags: tuple[str, ...], broken: BrokenChecks) -> Finding:
    if copy.tier:
        flags = (*flags, "current_report")
    if metric.key in broken.get(copy.accession, ()):
        flags = (*flags, "check_failed")
    if copy.turned or copy.concept in metric.negated_concepts:
        flags = (*flags, "sign_changed")
    return Finding(
        value_of(metric, copy), copy.unit, copy.accession, copy.concept, tuple(sorted(flags)) if flags else flags
    )
