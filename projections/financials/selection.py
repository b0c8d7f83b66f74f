"""Which of several copies counts for a metric: units, concepts, slips."""

from collections.abc import Iterator

from projections.financials.copies import Copy, age, is_slip, slips_among
from queries.metrics.catalogue import Metric
from queries.metrics.formula import NOTHING

Measure = tuple[str, str]
"""Concept and unit."""


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


def ranked(metric: Metric, copies: list[Copy]) -> list[tuple[Measure, Copy]]:
    """The newest copy of each concept in one unit, in the order in which the metric would take them."""
    if len(copies) == 1:
        (copy,) = copies
        return [((copy.concept, copy.unit), copy)]
    known = in_one_unit(metric, copies)
    newest = {copy.concept: copy for copy in known}
    return [((concept, newest[concept].unit), newest[concept]) for concept in preferred_concepts(metric, known)]


def in_one_unit(metric: Metric, copies: list[Copy]) -> list[Copy]:
    """The copies in the catalogue's unit, else in the first unit of the alphabet."""
    units = {copy.unit for copy in copies}
    if len(units) == 1:
        return copies
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
        found -= {copy.concept for copy in of_newest}
        if metric.gross_concepts:
            of_newest = _without_gross(metric, of_newest)
        of_newest.sort(key=lambda copy: (-copy.value, metric.concepts.index(copy.concept)))
        yield from dict.fromkeys(copy.concept for copy in of_newest)
    yield from sorted(found, key=metric.concepts.index)


def _without_gross(metric: Metric, totals: list[Copy]) -> list[Copy]:
    """The totals of one filing, but those that are gross of another."""
    net = max((copy.value for copy in totals if copy.concept not in metric.gross_concepts), default=NOTHING)
    if net <= 0:
        return totals
    return [copy for copy in totals if copy.value <= net or copy.concept not in metric.gross_concepts]
