"""Share splits, found where a filing states the shares of an old period on a new basis."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import NamedTuple

import msgspec

from projections.financials.classification import BEGINNING
from projections.financials.copies import Copy, age

SHARE_CONCEPTS = frozenset(
    {
        "us-gaap:WeightedAverageNumberOfSharesOutstandingBasic",
        "us-gaap:WeightedAverageNumberOfDilutedSharesOutstanding",
        "us-gaap:WeightedAverageNumberOfShareOutstandingBasicAndDiluted",
        "ifrs-full:WeightedAverageShares",
        "ifrs-full:AdjustedWeightedAverageShares",
        "us-gaap:CommonStockSharesOutstanding",
        "ifrs-full:NumberOfSharesOutstanding",
    }
)

_WHOLE = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60, 75, 80, 100, 150, 200, 250)
RATIOS = tuple(Decimal(number) for number in _WHOLE) + tuple(1 / Decimal(number) for number in _WHOLE)

_TOLERANCE = Decimal("0.005")


class Split(msgspec.Struct, frozen=True):
    """
    What becomes known from `filed_from` on counts `ratio` shares for each one before; `accession` shows it first.

    It was known from `known_from` until `known_to`; None while the filings that show it count. Filings between the two
    that show no ratio may stand on the new basis already, so that `filed_from` may lie before `known_from`.
    """

    filed_from: datetime
    ratio: Decimal
    accession: str
    known_from: datetime
    known_to: datetime | None


class _Shown(NamedTuple):
    """A split that a filing known since `shown_from` shows, while that counts."""

    filed_from: datetime
    ratio: Decimal
    accession: str
    shown_from: datetime


class _Evidence(NamedTuple):
    older: Copy
    newer: Copy
    ratio: Decimal


def find_splits(copies: Iterable[Copy]) -> list[Split]:
    """This will find the splits that the copies of share counts show, or showed until one was withdrawn."""
    counts = [copy for copy in copies if copy.concept in SHARE_CONCEPTS]
    withdrawals = sorted({copy.known_to for copy in counts if copy.known_to is not None})
    found: list[Split] = []
    standing: dict[_Shown, Split] = {}
    for begin, end in zip((BEGINNING, *withdrawals), (*withdrawals, None), strict=True):
        # No copy is withdrawn in between, so what is known later adds splits and takes none away.
        known = [
            copy
            for copy in counts
            if (end is None or copy.known_from < end) and (copy.known_to is None or begin < copy.known_to)
        ]
        before, standing = standing, {}
        for shown in _shown_by(known):
            held = before.pop(shown, None)
            known_from = max(shown.shown_from, begin) if held is None else held.known_from
            standing[shown] = Split(shown.filed_from, shown.ratio, shown.accession, known_from, end)
        found.extend(before.values())
    return sorted([*found, *standing.values()], key=attrgetter("filed_from", "known_from"))


def _shown_by(copies: Sequence[Copy]) -> list[_Shown]:
    """The splits that copies show which all count at once."""
    of_fact: dict[tuple[str, date, int], list[Copy]] = defaultdict(list)
    for copy in copies:
        of_fact[copy.concept, copy.end, copy.days].append(copy)
    evidence: dict[tuple[datetime, str, Decimal], list[_Evidence]] = defaultdict(list)
    for same_fact in of_fact.values():
        same_fact.sort(key=age)
        for older, newer in pairwise(same_fact):
            ratio = _ratio(older.value, newer.value)
            if ratio is not None and older.known_from < newer.known_from:
                evidence[*age(newer), ratio].append(_Evidence(older, newer, ratio))
    splits: list[_Shown] = []
    for (shown_from, accession, ratio), alike in sorted(evidence.items(), key=itemgetter(0)):
        stated_before = max(each.older.known_from for each in alike)
        if any(split.ratio == ratio and stated_before < split.shown_from for split in splits) or any(
            split.shown_from == shown_from for split in splits
        ):
            continue
        after = max([stated_before, *(split.filed_from for split in splits)])
        tightest = [each for each in alike if each.older.known_from == stated_before]
        filed_from = min(_first_on_new_basis(each, copies, after=after) for each in tightest)
        splits.append(_Shown(filed_from, ratio, accession, shown_from))
    return splits


def _first_on_new_basis(evidence: _Evidence, copies: Iterable[Copy], *, after: datetime) -> datetime:
    """
    Since when filings count as the newer of two copies does, of those known after an instant.

    A filing that shows no ratio is told by its newest count of the same concept: whether that is nearer, as a multiple,
    to what the newer copy says or to what the older one says.
    """
    older, newer = evidence.older.value, evidence.newer.value
    newest: dict[tuple[datetime, str], Copy] = {}
    for copy in copies:
        if copy.concept == evidence.newer.concept and after < copy.known_from < evidence.newer.known_from:
            held = newest.get(age(copy))
            if held is None or (held.end, held.days) < (copy.end, copy.days):
                newest[age(copy)] = copy
    first = evidence.newer.known_from
    for _, copy in sorted(newest.items(), key=itemgetter(0), reverse=True):
        square, middle = copy.value**2, older * newer
        if copy.value <= 0 or square == middle or (square > middle) != (newer > older):
            break
        first = copy.known_from
    return first


def _ratio(older: Decimal, newer: Decimal) -> Decimal | None:
    if older <= 0 or newer <= 0 or older == newer:
        return None
    found = newer / older
    return next((ratio for ratio in RATIOS if abs(found / ratio - 1) <= _TOLERANCE), None)
