"""Copies of facts, and which of them can feed a metric."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from operator import attrgetter

import msgspec

from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.periods import LONGEST_YEAR_DAYS, PeriodType, period_type

_SCALES = frozenset(Decimal(10) ** power for power in (3, 6, -3, -6))
_ROUNDED_TO = tuple(Decimal(10) ** power for power in range(3, 10))
_SHOWN_LATE = {"fsds": timedelta(days=15)}
"""By how much a source may show the end of a period too late: data sets show the month end nearest to it."""
_NEVER_LATE = timedelta(0)
_GRACE_DAYS = 20
_YEAR_DAYS = 365


class Copy(msgspec.Struct, frozen=True, gc=False):
    """
    One filing's copy of one fact, known from its filing's known_at until the filing is withdrawn.

    `tier` says how far the form is trusted (0 first); `cycle` how many years before the end of the filing's own period
    the fact ends; `amendment` whether the filing amends another; `turned` whether it gives the opposite of `value`.
    """

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
    cycle: int
    amendment: bool
    turned: bool = False


Vintage = tuple[int, bool]
"""Reporting cycle and whether amended; the greater is the newer."""

SpanKind = PeriodType | None
"""None: a span that is no period of its own, such as nine months."""


class Span(msgspec.Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """A period by its end and its length in days (0 for an instant); twelve added-up months are a kind of their own."""

    end: date
    days: int
    trailing: bool = False

    @property
    def kind(self) -> SpanKind:
        return "ttm" if self.trailing else period_type(self.days)


def reporting_cycle(end: date, filing_period_end: date | None) -> int:
    """How many years before the end of a filing's own period a fact ends, rounded down with twenty days of grace."""
    if filing_period_end is None:
        return 0
    return max(0, ((filing_period_end - end).days + _GRACE_DAYS) // _YEAR_DAYS)


@cache
def metrics_of_concept() -> dict[str, tuple[Metric, ...]]:
    """Which metrics read a concept."""
    found: dict[str, list[Metric]] = defaultdict(list)
    for metric in load_catalogue().metrics:
        for concept in metric.concepts:
            found[concept].append(metric)
    return {concept: tuple(metrics) for concept, metrics in found.items()}


@cache
def relevant_concepts() -> list[str]:
    """The concepts some metric reads."""
    return sorted(metrics_of_concept())


@cache
def metrics_fed(concept: str, unit: str, days: int) -> tuple[Metric, ...]:
    """The metrics a fact can feed: fitting concept, unit and length. Additive metrics also read year-to-date spans."""
    return tuple(
        metric
        for metric in metrics_of_concept().get(concept, ())
        if _length_fits(metric, days) and _unit_fits(metric.unit, unit)
    )


@cache
def is_relevant(concept: str, unit: str, days: int) -> bool:
    """Whether a fact can feed any metric."""
    return bool(metrics_fed(concept, unit, days))


def had_ended(end: date, *, filed_on: date, source: str) -> bool:
    """
    Whether a period was over when it was filed.

    What is said of a day to come is a plan or a slip: it is no figure of that day, and no operand of one.
    """
    return end - _SHOWN_LATE.get(source, _NEVER_LATE) <= filed_on


def _length_fits(metric: Metric, days: int) -> bool:
    if metric.over == "instant":
        return days == 0
    if metric.additive:
        return 0 < days <= LONGEST_YEAR_DAYS
    return period_type(days) in {"annual", "quarterly"}


def _unit_fits(wanted: str, unit: str) -> bool:
    """Whether a unit is the wanted one, in whatever currency."""
    if "USD" not in wanted:
        return unit == wanted
    currency, rest = unit[:3], unit[3:]
    return len(currency) == 3 and currency.isalpha() and currency.isupper() and rest == wanted.removeprefix("USD")


age: Callable[[Copy], tuple[datetime, str]] = attrgetter("known_from", "accession")
"""The order of copies from first to last known."""


def known_at_instant(copies: Iterable[Copy], instant: datetime) -> list[Copy]:
    """The copies that counted at an instant."""
    return [
        copy for copy in copies if copy.known_from <= instant and (copy.known_to is None or instant < copy.known_to)
    ]


def differs_by_scale(value: Decimal, other: Decimal) -> bool:
    """Whether two values differ by exactly a thousand or a million."""
    return bool(value and other) and abs(value / other) in _SCALES


def is_opposite(value: Decimal, other: Decimal) -> bool:
    """Whether two values differ by their sign alone."""
    return bool(value) and value == -other


def is_same_rounded(value: Decimal, other: Decimal) -> bool:
    """Whether two values are equal, or one is the other rounded to thousands or more, of which it shows ten or more."""
    if value == other:
        return True
    difference = 2 * abs(value - other)
    largest = max(abs(value), abs(other)) / 10
    return any(difference <= unit <= largest and not (value % unit and other % unit) for unit in _ROUNDED_TO)


def is_slip(value: Decimal, other: Decimal) -> bool:
    """Whether two values differ as slips do: by scale or by sign."""
    return differs_by_scale(value, other) or is_opposite(value, other)


def most_trusted(copies: list[Copy]) -> list[Copy]:
    """The copies of the most trusted tier of forms that has any."""
    if len(copies) == 1:
        return copies
    tiers = {copy.tier for copy in copies}
    if len(tiers) == 1:
        return copies
    tier = min(tiers)
    return [copy for copy in copies if copy.tier == tier]


def slips_among(peers: list[Copy]) -> tuple[list[Copy], tuple[str, ...]]:
    """
    The copies of one concept, unit and span that are off by a scale or a sign, and the flags that say so.

    The newest copy, which comes last, is held against the others; the value most filings give stands, of equally many
    the newest.
    """
    newest = peers[-1].value
    if all(copy.value == newest for copy in peers):
        return [], ()
    scaled = [copy for copy in peers if differs_by_scale(copy.value, newest)]
    opposite = [copy for copy in peers if is_opposite(copy.value, newest)]
    if not scaled and not opposite:
        return [], ()
    disputed = [copy for copy in peers if copy.value == newest] + scaled + opposite
    standing = max(disputed, key=lambda copy: (sum(other.value == copy.value for other in disputed), age(copy))).value
    flags = (("scale_conflict",) if scaled else ()) + (("sign_conflict",) if opposite else ())
    return [copy for copy in disputed if copy.value != standing], flags


def without_slips(copies: list[Copy]) -> tuple[list[Copy], dict[tuple[str, str], tuple[str, ...]]]:
    """The copies of one span that are no slips, and the flags of each concept and unit that had some."""
    if len(copies) == 1:
        return copies, {}
    first = copies[0].value
    if all(copy.value == first for copy in copies):
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


def by_vintage(copies: list[Copy]) -> dict[Vintage, list[Copy]]:
    """
    Copies of one span, first known first, parted by vintage, the newest vintage first.

    An amendment that repeats what the original of its cycle says, or only mends its scale or sign, is no vintage of
    its own.
    """
    if len(copies) == 1:
        return {(copies[0].cycle, False): copies}
    parted: dict[Vintage, list[Copy]] = defaultdict(list)
    originals: dict[tuple[str, str, int], Copy] = {}
    if any(copy.amendment for copy in copies):
        originals = {(copy.concept, copy.unit, copy.cycle): copy for copy in copies if not copy.amendment}
    for copy in copies:
        original = originals.get((copy.concept, copy.unit, copy.cycle)) if copy.amendment else None
        amended = original is not None and original.value != copy.value and not is_slip(original.value, copy.value)
        parted[copy.cycle, amended].append(copy)
    return dict(sorted(parted.items(), reverse=True)) if len(parted) > 1 else parted
