"""The value filings themselves state for a metric and a period."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from projections.financials.copies import (
    Copy,
    age,
    differs_by_scale,
    instants_of,
    is_opposite,
    is_slip,
    known_at_instant,
    most_trusted,
)
from projections.financials.rounding import rounded
from projections.financials.timeline import Finding, Timeline, Version, trace
from queries.metrics.catalogue import Metric

BrokenChecks = Mapping[str, frozenset[str]]
"""The accessions whose accounting identities fail for a span, and the metrics each failure involves."""


def reported_timeline(metric: Metric, copies: list[Copy], broken: BrokenChecks) -> Timeline:
    """This will trace what filings have stated, given all copies of the metric's concepts for one span."""
    if not broken and is_undisputed(copies):
        earliest = min(copies, key=age)
        finding = _finding(metric, earliest, (), broken)
        return [Version.of(finding, known_from=earliest.known_from, known_to=None)]

    return trace(instants_of(copies), lambda instant: reported_at(metric, copies, broken, instant))


def reported_at(metric: Metric, copies: list[Copy], broken: BrokenChecks, instant: datetime) -> Finding | None:
    """What filings stated at an instant, given all copies of the metric's concepts for one span."""
    known = known_at_instant(copies, instant)
    if not known:
        return None
    copy, flags = select(metric, known)
    return _finding(metric, copy, flags, broken)


def is_undisputed(copies: list[Copy]) -> bool:
    """Whether all filings say the same of one concept, and none was withdrawn."""
    first = copies[0]
    return all(
        copy.value == first.value
        and copy.unit == first.unit
        and copy.concept == first.concept
        and copy.tier == first.tier
        and copy.known_to is None
        for copy in copies
    )


def select(metric: Metric, known: list[Copy]) -> tuple[Copy, tuple[str, ...]]:
    """The copy that counts among those known at one instant, and what is to be said about it."""
    known = in_one_unit(metric, most_trusted(known))
    concept = next(preferred_concepts(metric, known))
    peers = [copy for copy in known if copy.concept == concept]
    newest = max(peers, key=age)
    slips, flags = slips_among(peers)
    if newest in slips:
        return max((copy for copy in peers if copy not in slips and is_slip(copy.value, newest.value)), key=age), flags
    return newest, flags


def slips_among(peers: list[Copy]) -> tuple[list[Copy], tuple[str, ...]]:
    """
    The copies of one concept, unit and span that are off by a scale or a sign, and the flags that say so.

    The newest copy is held against the others; the value most filings give stands, of equally many the newest.
    """
    newest = max(peers, key=age)
    scaled = [copy for copy in peers if differs_by_scale(copy.value, newest.value)]
    opposite = [copy for copy in peers if is_opposite(copy.value, newest.value)]
    if not scaled and not opposite:
        return [], ()
    disputed = [copy for copy in peers if copy.value == newest.value] + scaled + opposite
    standing = max(disputed, key=lambda copy: (sum(other.value == copy.value for other in disputed), age(copy))).value
    flags = (("scale_conflict",) if scaled else ()) + (("sign_conflict",) if opposite else ())
    return [copy for copy in disputed if copy.value != standing], flags


def without_slips(copies: list[Copy]) -> tuple[list[Copy], dict[tuple[str, str], tuple[str, ...]]]:
    """The copies of one span that are no slips, and the flags of each concept and unit that had some."""
    if len({copy.value for copy in copies}) == 1:
        return copies, {}
    peers: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy in copies:
        peers[copy.concept, copy.unit].append(copy)
    dropped: list[Copy] = []
    said: dict[tuple[str, str], tuple[str, ...]] = {}
    for key, found in peers.items():
        slips, flags = slips_among(found)
        if flags:
            dropped.extend(slips)
            said[key] = flags
    return ([copy for copy in copies if copy not in dropped] if dropped else copies), said


def in_one_unit(metric: Metric, copies: list[Copy]) -> list[Copy]:
    """The copies in the catalogue's unit, else in the first unit of the alphabet."""
    units = {copy.unit for copy in copies}
    unit = metric.unit if metric.unit in units else min(units)
    return copies if len(units) == 1 else [copy for copy in copies if copy.unit == unit]


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
