"""Quarters nobody filed, and twelve months, from year-to-date values of one vintage."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import NamedTuple

from projections.financials.copies import Copy, Span, Vintage, is_same_rounded
from projections.financials.reported import BrokenChecks, reported_at
from projections.financials.rounding import rounded
from projections.financials.selection import Measure
from projections.financials.span_history import SpanHistory, Standing, instants_of
from projections.financials.timeline import (
    Finding,
    Source,
    Timeline,
    at,
    boundaries,
    covers,
    held_from,
    overlay,
    trace,
    version_age,
)
from queries.metrics.catalogue import Metric
from queries.metrics.periods import LONGEST_YEAR_DAYS, period_type, year_before

NEIGHBOUR_REACH = timedelta(days=5)
"""How far two periods that follow each other may miss or overlap."""

SAME_DAY_REACH = timedelta(days=20)
"""How far a period of an earlier year may end from the same calendar day and still be its counterpart."""

_ROUNDING_REACH = Decimal("0.01")
"""What a stated quarter and the difference of two rounded values may differ by, as a share of the quarter."""

SpanHistories = Mapping[Span, SpanHistory]
_Chain = Sequence["Quarter"]
_Terms = tuple[tuple[int, Copy], ...]
"""Signs and the copies they go with."""


class _Difference(NamedTuple):
    """Two spans that begin on one day and differ by a quarter."""

    longer: SpanHistory
    shorter: SpanHistory


class _Sum(NamedTuple):
    """Last year, this year to date, and last year to the same date."""

    year: SpanHistory
    current: SpanHistory
    prior: SpanHistory


@cache
def start_of(span: Span) -> date:
    """The first day of a span."""
    return span.end - timedelta(days=span.days - 1)


class Quarter:
    """
    A quarter of one metric, stated or from year-to-date values.

    `timeline` joins equal values; `at` tells what the copies known at an instant give, and by which concept.
    """

    __slots__ = ("_find", "_found", "instants", "span", "timeline")

    def __init__(
        self, span: Span, timeline: Timeline, find: Callable[[datetime], Finding | None], instants: Iterable[datetime]
    ) -> None:
        self.span = span
        self.timeline = timeline
        self.instants = sorted(instants)
        self._find = find
        self._found: dict[int, Finding | None] = {}

    def at(self, instant: datetime) -> Finding | None:
        """What is known of it at an instant."""
        place = bisect_right(self.instants, instant)
        try:
            return self._found[place]
        except KeyError:
            found = self._found[place] = self._find(instant)
            return found


def quarters_of(
    metric: Metric, histories: SpanHistories, stated: Mapping[Span, Timeline], broken: Mapping[Span, BrokenChecks]
) -> dict[Span, Quarter]:
    """Every quarter that filings state, or that is the difference of two year-to-date values."""
    differences = _differences(histories)
    quarters: dict[Span, Quarter] = {}
    for span in {*differences, *(span for span in stated if span.kind == "quarterly")}:
        own = histories.get(span) if span in stated else None
        candidates = differences.get(span, [])
        find = partial(_quarter_at, metric, own, broken.get(span, {}), candidates)
        timeline = stated.get(span, [])
        involved = [history for each in candidates for history in (each.longer, each.shorter)]
        instants = instants_of(involved if own is None else [own, *involved])
        if own is not None and any(each.longer.has_several_concepts for each in candidates):
            timeline = trace(instants, find)
        elif candidates and not covers(timeline, _earliest(candidates)):
            timeline = overlay(timeline, _difference_timeline(metric, candidates))
        if timeline:
            quarters[span] = Quarter(span, timeline, find, instants)
    return quarters


def _quarter_at(
    metric: Metric,
    own: SpanHistory | None,
    broken: BrokenChecks,
    candidates: list[_Difference],
    instant: datetime,
) -> Finding | None:
    stated = None if own is None else reported_at(metric, own, broken, instant)
    if stated is None:
        return _difference_at(metric, candidates, instant)
    return _preferred_difference(metric, stated, candidates, instant) or stated


def _preferred_difference(
    metric: Metric, stated: Finding, candidates: Iterable[_Difference], instant: datetime
) -> Finding | None:
    """The difference of a concept preferred to the stated one, of two filings by which that one's is what is stated."""
    for candidate in candidates:
        if not candidate.longer.has_several_concepts:
            continue
        longer, shorter = candidate.longer.at(instant), candidate.shorter.at(instant)
        found = _difference(metric, longer, shorter) if longer and shorter else None
        if not longer or not shorter or not found or found.concept == stated.concept:
            continue
        measure = stated.concept or "", stated.unit
        whole = _stated_in(longer.sound, found.sources[0].accession, measure)
        part = _stated_in(shorter.sound, found.sources[1].accession, measure)
        if whole and part:
            told = _added(metric, ((1, whole), (-1, part)), set()).value
            if abs(told - stated.value) <= _ROUNDING_REACH * abs(stated.value):
                return found
    return None


def _stated_in(copies: Iterable[Copy], accession: str, measure: Measure) -> Copy | None:
    """The copy of one filing, concept and unit."""
    for copy in copies:
        if copy.accession == accession and (copy.concept, copy.unit) == measure:
            return copy
    return None


def _differences(histories: SpanHistories) -> dict[Span, list[_Difference]]:
    differences: dict[Span, list[_Difference]] = defaultdict(list)
    for spans in _by_start(histories).values():
        for index, longer in enumerate(spans):
            for shorter in spans[:index]:
                days = longer.days - shorter.days
                if period_type(days) == "quarterly":
                    differences[Span(longer.end, days)].append(_Difference(histories[longer], histories[shorter]))
    return differences


def _by_start(histories: SpanHistories) -> dict[date, list[Span]]:
    spans: dict[date, list[Span]] = defaultdict(list)
    for span in sorted(histories):
        if 0 < span.days <= LONGEST_YEAR_DAYS:
            spans[start_of(span)].append(span)
    return spans


def _earliest(candidates: Iterable[_Difference]) -> datetime:
    return min(max(each.longer.first_known, each.shorter.first_known) for each in candidates)


def _difference_timeline(metric: Metric, candidates: list[_Difference]) -> Timeline:
    earliest = _earliest(candidates)
    if len(candidates) == 1 and all(history.undisputed for history in candidates[0]):
        lasting = _difference_at(metric, candidates, earliest)
        if lasting is not None:
            return held_from(earliest, lasting)
    involved = instants_of(history for each in candidates for history in (each.longer, each.shorter))
    return trace(
        (instant for instant in involved if instant >= earliest),
        partial(_difference_at, metric, candidates),
    )


def _difference_at(metric: Metric, candidates: Iterable[_Difference], instant: datetime) -> Finding | None:
    for candidate in candidates:
        longer, shorter = candidate.longer.at(instant), candidate.shorter.at(instant)
        if longer and shorter:
            found = _difference(metric, longer, shorter)
            if found is not None:
                return found
    return None


def _difference(metric: Metric, longer: Standing, shorter: Standing) -> Finding | None:
    for vintage, minuends in longer.ranked_by_vintage.items():
        subtrahends = shorter.newest.get(vintage)
        if subtrahends is None:
            continue
        for measure, minuend in minuends:
            subtrahend = subtrahends.get(measure)
            if subtrahend is not None and _are_of_one_basis(minuend, longer, subtrahend, shorter):
                flags = _flags_of_slips(measure, longer, shorter)
                if vintage != next(iter(longer.newest)):
                    flags.add("older_vintage")
                found = _added(metric, ((1, minuend), (-1, subtrahend)), flags)
                if not _is_impossible(metric, found):
                    return found
    return None


def _is_impossible(metric: Metric, found: Finding) -> bool:
    """Whether operands must be of two bases: no others give less than zero of what is never negative."""
    return metric.never_negative and found.value < 0


def _are_of_one_basis(one: Copy, of_one: Standing, other: Copy, of_other: Standing) -> bool:
    """Whether neither of two copies still gives what was first stated although the other was recast since."""
    return (_is_stated_since(one, other, of_other) or not of_one.is_as_first_stated(one)) and (
        _is_stated_since(other, one, of_one) or not of_other.is_as_first_stated(other)
    )


def _is_stated_since(copy: Copy, other: Copy, of_other: Standing) -> bool:
    """Whether a copy was filed no earlier than the other's value took the place of another."""
    recast = of_other.recast_at(other)
    return recast is None or recast <= copy.known_from


def _flags_of_slips(measure: Measure, *standings: Standing) -> set[str]:
    return {"from_year_to_date", *(flag for each in standings for flag in each.slip_flags.get(measure, ()))}


def trailing_timelines(
    metric: Metric,
    histories: SpanHistories,
    reported: Mapping[Span, Timeline],
    quarters: Mapping[Span, Quarter],
    *,
    ends: Mapping[date, datetime],
) -> dict[Span, Timeline]:
    """Twelve months at each of these ends, since it is known to be one; `reported` holds the metric's stated years."""
    years = _by_end(span for span in reported if span.kind == "annual")
    quarters_by_end = _by_end(quarters)
    ordered = sorted(quarters)
    sums = _sums(histories)
    timelines = {}
    for end, since in ends.items():
        stated = [reported[span] for span in sorted(years.get(end, ()), key=_nearness_to_a_year)]
        timeline = _added_up(metric, stated, sums.get(end, []), since=since)
        last_quarters = [quarters[span] for span in quarters_by_end.get(end, ())]
        if last_quarters and not covers(timeline, min(each.timeline[0].known_from for each in last_quarters)):
            chains = [[quarters[span] for span in chain] for chain in _chains(end, ordered)]
            timeline = overlay(timeline, _from_quarters(chains))
        if timeline:
            timelines[trailing_span(end)] = timeline
    return timelines


@cache
def trailing_span(end: date) -> Span:
    """The twelve months that end on a day."""
    return Span(end, (end - year_before(end, 1)).days, trailing=True)


def _nearness_to_a_year(span: Span) -> tuple[int, int]:
    """The order in which years that end on one day stand for twelve months: the nearest in length, then the longer."""
    return abs(span.days - 365), -span.days


def _by_end(spans: Iterable[Span]) -> dict[date, list[Span]]:
    found: dict[date, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.end].append(span)
    return found


def _sums(histories: SpanHistories) -> dict[date, list[_Sum]]:
    """For each day, the ways to twelve months from a full year and two spans to date."""
    spans = [span for span in sorted(histories) if 0 < span.days <= LONGEST_YEAR_DAYS]
    years = [span for span in spans if span.kind == "annual"]
    by_start = _by_start(histories)
    sums: dict[date, list[_Sum]] = defaultdict(list)
    for current in spans:
        if current.kind == "annual":
            continue
        day_before = start_of(current) - timedelta(days=1)
        for year in _ending_near(years, day_before, NEIGHBOUR_REACH):
            same_day = year_before(current.end, 1)
            priors = [span for span in by_start[start_of(year)] if abs(span.end - same_day) <= SAME_DAY_REACH]
            sums[current.end].extend(
                _Sum(histories[year], histories[current], histories[prior]) for prior in priors if prior != year
            )
    return sums


def _ending_near(spans: list[Span], day: date, reach: timedelta) -> Iterator[Span]:
    low = bisect_left(spans, Span(day - reach, 0))
    for span in spans[low:]:
        if span.end > day + reach:
            return
        yield span


def _chains(end: date, quarters: list[Span]) -> Iterator[tuple[Span, ...]]:
    """Every way to four quarters that follow each other and end on this day."""
    yield from _chains_back(end, timedelta(0), quarters, 4)


def _chains_back(day: date, reach: timedelta, quarters: list[Span], count: int) -> Iterator[tuple[Span, ...]]:
    if count == 0:
        yield ()
        return
    for span in _ending_near(quarters, day, reach):
        for rest in _chains_back(start_of(span) - timedelta(days=1), NEIGHBOUR_REACH, quarters, count - 1):
            yield (span, *rest)


def _added_up(metric: Metric, stated: list[Timeline], sums: list[_Sum], *, since: datetime) -> Timeline:
    """Twelve months that are a stated year, or made of one and two spans to date."""
    if not stated:
        if not sums:
            return []
        since = max(since, min(max(history.first_known for history in way) for way in sums))
        if len(sums) == 1 and all(history.undisputed for history in sums[0]):
            lasting = _year_to_date_sum(metric, sums[0], since)
            if lasting is not None:
                return held_from(since, lasting)
    instants = {
        max(instant, since) for instant in boundaries(stated) | instants_of(history for way in sums for history in way)
    }
    if len(stated) == 1 and covers(stated[0], min(instants)):
        return stated[0]

    def find(instant: datetime) -> Finding | None:
        for timeline in stated:
            if version := at(timeline, instant):
                return version.finding()
        return next((found for way in sums if (found := _year_to_date_sum(metric, way, instant))), None)

    return trace(instants, find)


def _from_quarters(chains: Sequence[_Chain]) -> Timeline:
    def find(instant: datetime) -> Finding | None:
        sums = [(chain, found) for chain in chains if (found := _sum_of_quarters(chain, instant))]
        if len(sums) < 2:
            return sums[0][1] if sums else None
        return min(sums, key=lambda each: _preference(each[0], instant))[1]

    earliest = min((max(quarter.instants[0] for quarter in chain) for chain in chains), default=None)
    instants = {instant for chain in chains for quarter in chain for instant in quarter.instants}
    return trace((instant for instant in instants if earliest and instant >= earliest), find)


def _preference(chain: _Chain, instant: datetime) -> list[tuple[int, float]]:
    """Quarter by quarter from the last: the one that joins most closely, then the one known last."""
    order = []
    joint = chain[0].span.end
    for quarter in chain:
        version = at(quarter.timeline, instant)
        known_from = version.known_from.timestamp() if version else 0.0
        order.append((abs((quarter.span.end - joint).days), -known_from))
        joint = start_of(quarter.span) - timedelta(days=1)
    return order


def _year_to_date_sum(metric: Metric, way: _Sum, instant: datetime) -> Finding | None:
    current, year, prior = way.current.at(instant), way.year.at(instant), way.prior.at(instant)
    if not (current and year and prior):
        return None
    for measure, _ in current.ranked:
        for current_vintage, currents in current.newest.items():
            to_date = currents.get(measure)
            if to_date is None:
                continue
            comparative = _stated_beside(to_date, current.sound, prior.sound)
            rolled = _rolled_forward(to_date, comparative, measure, current, year, prior)
            if rolled is not None:
                vintage, terms = rolled
                flags = _flags_of_slips(measure, current, year, prior)
                if current_vintage != next(iter(current.newest)) or vintage != next(iter(year.newest)):
                    flags.add("older_vintage")
                found = _added(metric, terms, flags)
                if not _is_impossible(metric, found):
                    return found
            if comparative is not None:
                break
    return None


def _rolled_forward(
    to_date: Copy, comparative: Copy | None, measure: Measure, current: Standing, year: Standing, prior: Standing
) -> tuple[Vintage, _Terms] | None:
    """Twelve months that end with one copy of this year to date, from the newest vintage of last year that fits it."""
    for vintage, wholes in year.newest.items():
        whole, before = wholes.get(measure), prior.newest.get(vintage, {}).get(measure)
        if (
            whole
            and before
            and (comparative is None or is_same_rounded(comparative.value, before.value))
            and _are_of_one_basis(whole, year, before, prior)
            and _is_stated_since(to_date, before, prior)
            and _is_stated_since(before, to_date, current)
        ):
            return vintage, ((1, whole), (1, to_date), (-1, before))
    return None


def _stated_beside(to_date: Copy, of_current: Iterable[Copy], of_prior: Iterable[Copy]) -> Copy | None:
    """What the first filing that gave this value of the year to date, and the same of last year, gave of that."""
    comparatives = {
        copy.accession: copy for copy in of_prior if (copy.concept, copy.unit) == (to_date.concept, to_date.unit)
    }
    for copy in of_current:
        if (copy.concept, copy.unit, copy.value) == (to_date.concept, to_date.unit, to_date.value):
            comparative = comparatives.get(copy.accession)
            if comparative is not None:
                return comparative
    return None


def _sum_of_quarters(chain: _Chain, instant: datetime) -> Finding | None:
    found = [(quarter.span, finding) for quarter in chain if (finding := quarter.at(instant))]
    findings = [finding for _, finding in found]
    if len(findings) != 4 or len({(finding.concept, finding.unit) for finding in findings}) != 1:
        return None
    newest = max((version for quarter in chain if (version := at(quarter.timeline, instant))), key=version_age)
    flags = {flag for finding in findings for flag in finding.flags} - {"from_year_to_date"}
    value = rounded(sum((finding.value for finding in findings[1:]), findings[0].value))
    sources = tuple(source for span, finding in found for source in _sources(span, finding))
    return Finding(
        value,
        newest.unit,
        newest.accession,
        findings[0].concept,
        tuple(sorted({*flags, "from_quarters"})),
        sources,
    )


def _sources(span: Span, finding: Finding) -> tuple[Source, ...]:
    if finding.sources:
        return finding.sources
    return (Source(1, finding.concept, start_of(span), span.end, finding.value, finding.accession),)


def _added(metric: Metric, terms: _Terms, flags: set[str]) -> Finding:
    (_, first), *others = terms
    newest, value = first, first.value
    sources = [_source(1, first)]
    for sign, copy in others:
        value = value + copy.value if sign > 0 else value - copy.value
        sources.append(_source(sign, copy))
        if (copy.known_from, copy.accession) > (newest.known_from, newest.accession):
            newest = copy
    is_negated = first.concept in metric.negated_concepts
    if is_negated:
        value = -value
    if is_negated or any(copy.turned for _, copy in terms):
        flags.add("sign_changed")
    return Finding(rounded(value), first.unit, newest.accession, first.concept, tuple(sorted(flags)), tuple(sources))


def _source(sign: int, copy: Copy) -> Source:
    return Source(sign, copy.concept, copy.start, copy.end, copy.value, copy.accession)
