"""The value filings themselves state for a metric and a period."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from projections.financials.copies import Copy, age, is_slip, slips_among
from projections.financials.rounding import rounded
from projections.financials.span_history import SpanHistory
from projections.financials.timeline import Finding, Timeline, Version, trace
from queries.metrics.catalogue import Metric

BrokenChecks = Mapping[str, frozenset[str]]
"""The accessions whose accounting identities fail for a span, and the metrics each failure involves."""


def reported_timeline(metric: Metric, history: SpanHistory, broken: BrokenChecks) -> Timeline:
    """This will trace what filings have stated of the metric's concepts for one span."""
    if history.undisputed and not broken:
        earliest = history.copies[0]
        finding = _finding(metric, earliest, (), broken)
        return [Version.of(finding, known_from=earliest.known_from, known_to=None)]

    return trace(history.instants, lambda instant: reported_at(metric, history, broken, instant))


def reported_at(metric: Metric, history: SpanHistory, broken: BrokenChecks, instant: datetime) -> Finding | None:
    """What filings stated at an instant of the metric's concepts for one span."""
    standing = history.at(instant)
    if standing is None:
        return None
    copy, flags = select(metric, standing.trusted)
    return _finding(metric, copy, flags, broken)


def select(metric: Metric, trusted: list[Copy]) -> tuple[Copy, tuple[str, ...]]:
    """The copy that counts among equally trusted ones, first known first, and what is to be said about it."""
    if len(trusted) == 1:
        return trusted[0], ()
    known = in_one_unit(metric, trusted)
    concept = next(preferred_concepts(metric, known))
    peers = [copy for copy in known if copy.concept == concept]
    newest = peers[-1]
    slips, flags = slips_among(peers)
    if newest in slips:
        return max((copy for copy in peers if copy not in slips and is_slip(copy.value, newest.value)), key=age), flags
    return newest, flags


def in_one_unit(metric: Metric, copies: list[Copy]) -> list[Copy]:
    """The copies in the catalogue's unit, else in the first unit of the alphabet."""
    first = copies[0].unit
    if all(copy.unit == first for copy in copies):
        return copies
    units = {copy.unit for copy in copies}
    unit = metric.unit if metric.unit in units else min(units)
    return [copy for copy in copies if copy.unit == unit]


def preferred_concepts(metric: Metric, copies: list[Copy]) -> Iterator[str]:
    """The concepts of these copies in the order in which the metric would take them."""
    found = {copy.concept for copy in copies}
    if len(found) == 1:
        yield from found
        return
    totals: list[Copy] = []
    if metric.selection == "largest_total":
        totals = [copy for copy in copies if copy.concept in metric.selection_set]
    if totals:
        newest = max(totals, key=age).accession
        of_newest = [copy for copy in totals if copy.accession == newest]
        of_newest.sort(key=lambda copy: (-copy.value, metric.concepts.index(copy.concept)))
        yield from dict.fromkeys(copy.concept for copy in of_newest)
        found -= {copy.concept for copy in of_newest}
    yield from sorted(found, key=metric.concepts.index)


def _finding(metric: Metric, copy: Copy, flags: tuple[str, ...], broken: BrokenChecks) -> Finding:
    if copy.tier:
        flags = (*flags, "current_report")
    if metric.key in broken.get(copy.accession, ()):
        flags = (*flags, "check_failed")
    value = copy.value
    if copy.concept in metric.negated_concepts:
        value, flags = rounded(-value), (*flags, "sign_changed")
    return Finding(value, copy.unit, copy.accession, copy.concept, tuple(sorted(flags)))
