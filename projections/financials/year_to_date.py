"""Quarters nobody filed, and twelve months, from year-to-date values of one vintage."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

import msgspec

from projections.financials.copies import (
    Copy,
    Span,
    age,
    by_vintage,
    instants_of,
    known_at_instant,
    known_together_from,
    most_trusted,
)
from projections.financials.reported import (
    BrokenChecks,
    in_one_unit,
    is_undisputed,
    preferred_concepts,
    reported_at,
    without_slips,
)
from projections.financials.rounding import rounded
from projections.financials.timeline import (
    Finding,
    Source,
    Timeline,
    at,
    boundaries,
    covers,
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

SpanCopies = Mapping[Span, list[Copy]]
_Chain = Sequence["Quarter"]


class _Difference(msgspec.Struct, frozen=True):
    """Two spans that begin on one day and differ by a quarter."""

    longer: Span
    shorter: Span


class _Sum(msgspec.Struct, frozen=True):
    """The spans of last year, this year to date, and last year to the same date."""

    year: Span
    current: Span
    prior: Span

    def spans(self) -> tuple[Span, Span, Span]:
        return self.year, self.current, self.prior


def start_of(span: Span) -> date:
    """The first day of a span."""
    return span.end - timedelta(days=span.days - 1)


class Quarter(msgspec.Struct, frozen=True):
    """
    A quarter of one metric, stated or from year-to-date values.

    `timeline` joins equal values; `at` tells what the copies known at an instant give, and by which concept.
    """

    span: Span
    timeline: Timeline
    at: Callable[[datetime], Finding | None]
    instants: frozenset[datetime]


def quarters_of(
    metric: Metric, copies: SpanCopies, stated: Mapping[Span, Timeline], broken: Mapping[Span, BrokenChecks]
) -> dict[Span, Quarter]:
    """Every quarter that filings state, or that is the difference of two year-to-date values."""
    differences = _differences(copies)
    quarters: dict[Span, Quarter] = {}
    for span in {*differences, *(span for span in stated if span.kind == "quarterly")}:
        own = copies.get(span, []) if span in stated else []
        candidates = differences.get(span, [])
        find = partial(_quarter_at, metric, copies, own, broken.get(span, {}), candidates)
        timeline = stated.get(span, [])
        if candidates and not covers(timeline, _earliest(copies, candidates)):
            timeline = overlay(timeline, _difference_timeline(metric, copies, candidates))
        if timeline:
            involved = [*own, *_copies_of(copies, candidates)]
            quarters[span] = Quarter(span, timeline, find, frozenset(instants_of(involved)))
    return quarters


def _quarter_at(
    metric: Metric,
    copies: SpanCopies,
    own: list[Copy],
    broken: BrokenChecks,
    candidates: list[_Difference],
    instant: datetime,
) -> Finding | None:
    return reported_at(metric, own, broken, instant) or _difference_at(metric, copies, candidates, instant)


def _differences(copies: SpanCopies) -> dict[Span, list[_Difference]]:
    differences: dict[Span, list[_Difference]] = defaultdict(list)
    for spans in _by_start(copies).values():
        for index, longer in enumerate(spans):
            for shorter in spans[:index]:
                if period_type(longer.days - shorter.days) == "quarterly":
                    quarter = Span(longer.end, longer.days - shorter.days)
                    differences[quarter].append(_Difference(longer, shorter))
    return differences


def _by_start(copies: SpanCopies) -> dict[date, list[Span]]:
    spans: dict[date, list[Span]] = defaultdict(list)
    for span in sorted(copies):
        if 0 < span.days <= LONGEST_YEAR_DAYS:
            spans[start_of(span)].append(span)
    return spans


def _copies_of(copies: SpanCopies, candidates: Iterable[_Difference]) -> list[Copy]:
    return [copy for each in candidates for span in (each.longer, each.shorter) for copy in copies[span]]


def _earliest(copies: SpanCopies, candidates: Iterable[_Difference]) -> datetime:
    return min(known_together_from((copies[each.longer], copies[each.shorter])) for each in candidates)


def _difference_timeline(metric: Metric, copies: SpanCopies, candidates: list[_Difference]) -> Timeline:
    settled = len(candidates) == 1 and all(
        is_undisputed(copies[span]) for span in (candidates[0].longer, candidates[0].shorter)
    )
    earliest = _earliest(copies, candidates)
    return trace(
        (instant for instant in instants_of(_copies_of(copies, candidates)) if instant >= earliest),
        partial(_difference_at, metric, copies, candidates),
        is_final=lambda found: settled,
    )


def _difference_at(
    metric: Metric, copies: SpanCopies, candidates: Iterable[_Difference], instant: datetime
) -> Finding | None:
    for candidate in candidates:
        longer = known_at_instant(copies[candidate.longer], instant)
        shorter = known_at_instant(copies[candidate.shorter], instant)
        if longer and shorter:
            found = _difference(metric, most_trusted(longer), most_trusted(shorter))
            if found is not None:
                return found
    return None


def _difference(metric: Metric, longer: list[Copy], shorter: list[Copy]) -> Finding | None:
    longer, said_of_longer = without_slips(longer)
    shorter, said_of_shorter = without_slips(shorter)
    minuends, subtrahends = by_vintage(longer), by_vintage(shorter)
    newest_vintage = max(minuends)
    for vintage in sorted(minuends.keys() & subtrahends.keys(), reverse=True):
        of_vintage = in_one_unit(metric, minuends[vintage])
        for concept in preferred_concepts(metric, of_vintage):
            minuend = max((copy for copy in of_vintage if copy.concept == concept), key=age)
            key = concept, minuend.unit
            subtrahend = max((c for c in subtrahends[vintage] if (c.concept, c.unit) == key), key=age, default=None)
            if subtrahend is not None:
                flags = {"from_year_to_date", *said_of_longer.get(key, ()), *said_of_shorter.get(key, ())}
                if vintage != newest_vintage:
                    flags.add("older_vintage")
                return _added(metric, ((1, minuend), (-1, subtrahend)), flags)
    return None


def trailing_timelines(
    metric: Metric,
    copies: SpanCopies,
    reported: Mapping[Span, Timeline],
    quarters: Mapping[Span, Quarter],
    *,
    ends: Iterable[date],
) -> dict[Span, Timeline]:
    """Twelve months at each of these ends; `reported` holds the metric's stated years."""
    years = _by_end(span for span in reported if span.kind == "annual")
    quarters_by_end = _by_end(quarters)
    ordered = sorted(quarters)
    sums = _sums(copies)
    timelines = {}
    for end in ends:
        stated = [reported[span] for span in sorted(years.get(end, ()), key=lambda span: abs(span.days - 365))]
        timeline = _added_up(metric, copies, stated, sums.get(end, []))
        last_quarters = [quarters[span] for span in quarters_by_end.get(end, ())]
        if last_quarters and not covers(timeline, min(each.timeline[0].known_from for each in last_quarters)):
            chains = [[quarters[span] for span in chain] for chain in _chains(end, ordered)]
            timeline = overlay(timeline, _from_quarters(chains))
        if timeline:
            timelines[trailing_span(end)] = timeline
    return timelines


def trailing_span(end: date) -> Span:
    """The twelve months that end on a day."""
    return Span(end, (end - year_before(end, 1)).days, trailing=True)


def _by_end(spans: Iterable[Span]) -> dict[date, list[Span]]:
    found: dict[date, list[Span]] = defaultdict(list)
    for span in spans:
        found[span.end].append(span)
    return found


def _sums(copies: SpanCopies) -> dict[date, list[_Sum]]:
    """For each day, the ways to twelve months from a full year and two spans to date."""
    spans = [span for span in sorted(copies) if 0 < span.days <= LONGEST_YEAR_DAYS]
    years = [span for span in spans if span.kind == "annual"]
    by_start = _by_start(copies)
    sums: dict[date, list[_Sum]] = defaultdict(list)
    for current in spans:
        if current.kind == "annual":
            continue
        day_before = start_of(current) - timedelta(days=1)
        for year in _ending_near(years, day_before, NEIGHBOUR_REACH):
            same_day = year_before(current.end, 1)
            priors = [span for span in by_start[start_of(year)] if abs(span.end - same_day) <= SAME_DAY_REACH]
            sums[current.end].extend(_Sum(year, current, prior) for prior in priors if prior != year)
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


def _added_up(metric: Metric, copies: SpanCopies, stated: list[Timeline], sums: list[_Sum]) -> Timeline:
    """Twelve months that are a stated year, or made of one and two spans to date."""
    involved = [copy for way in sums for span in way.spans() for copy in copies[span]]
    if not stated and not sums:
        return []
    instants = boundaries(stated) | instants_of(involved)
    if len(stated) == 1 and covers(stated[0], min(instants)):
        return stated[0]
    if not stated:
        earliest = min(known_together_from(copies[span] for span in way.spans()) for way in sums)
        instants = {instant for instant in instants if instant >= earliest}

    def find(instant: datetime) -> Finding | None:
        for timeline in stated:
            if version := at(timeline, instant):
                return version.finding()
        return next((found for way in sums if (found := _year_to_date_sum(metric, copies, way, instant))), None)

    settled = not stated and len(sums) == 1 and all(is_undisputed(copies[span]) for span in sums[0].spans())
    return trace(instants, find, is_final=lambda found: settled)


def _from_quarters(chains: Sequence[_Chain]) -> Timeline:
    def find(instant: datetime) -> Finding | None:
        sums = [(chain, found) for chain in chains if (found := _sum_of_quarters(chain, instant))]
        return min(sums, key=lambda each: _preference(each[0], instant))[1] if sums else None

    return trace({instant for chain in chains for quarter in chain for instant in quarter.instants}, find)


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


def _year_to_date_sum(metric: Metric, copies: SpanCopies, way: _Sum, instant: datetime) -> Finding | None:
    known = [known_at_instant(copies[span], instant) for span in (way.current, way.year, way.prior)]
    if not all(known):
        return None
    settled = [without_slips(most_trusted(found)) for found in known]
    (currents, _), (years, _), (priors, _) = settled
    currents = in_one_unit(metric, currents)
    year_vintages, prior_vintages = by_vintage(years), by_vintage(priors)
    for concept in preferred_concepts(metric, currents):
        current = max((copy for copy in currents if copy.concept == concept), key=age)
        key = concept, current.unit
        comparative = next(
            (copy for copy in priors if copy.accession == current.accession and (copy.concept, copy.unit) == key), None
        )
        for vintage in sorted(year_vintages.keys() & prior_vintages.keys(), reverse=True):
            year = max((c for c in year_vintages[vintage] if (c.concept, c.unit) == key), key=age, default=None)
            prior = max((c for c in prior_vintages[vintage] if (c.concept, c.unit) == key), key=age, default=None)
            if year and prior and (comparative is None or comparative.value == prior.value):
                flags = {"from_year_to_date", *(flag for _, said in settled for flag in said.get(key, ()))}
                return _added(metric, ((1, year), (1, current), (-1, prior)), flags)
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


def _added(metric: Metric, terms: tuple[tuple[int, Copy], ...], flags: set[str]) -> Finding:
    first = terms[0][1]
    newest = max((copy for _, copy in terms), key=age)
    value = sum((sign * copy.value for sign, copy in terms[1:]), terms[0][0] * first.value)
    if first.concept in metric.negated_concepts:
        value = -value
        flags.add("sign_changed")
    sources = tuple(
        Source(sign, copy.concept, copy.start, copy.end, copy.value, copy.accession) for sign, copy in terms
    )
    return Finding(rounded(value), first.unit, newest.accession, first.concept, tuple(sorted(flags)), sources)
