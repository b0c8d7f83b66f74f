"""Share splits, found where a filing states the shares of an old period on a new basis."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
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
    }
)

_WHOLE = (2, 3, 4, 5, 7, 8, 10, 15, 20, 25, 30, 40, 50)
RATIOS = tuple(Decimal(number) for number in _WHOLE) + tuple(1 / Decimal(number) for number in _WHOLE)

_TOLERANCE = Decimal("0.005")


class Split(msgspec.Struct, frozen=True):
    """
    What becomes known from `filed_from` on counts `ratio` shares for each one before; `accession` shows it first.

    It was known from `known_from` until `known_to`; None while the filings that show it count.
    """

    filed_from: datetime
    ratio: Decimal
    accession: str
    known_from: datetime
    known_to: datetime | None


class _Shown(NamedTuple):
    """A split, whenever it was known."""

    filed_from: datetime
    ratio: Decimal
    accession: str


class _Evidence(msgspec.Struct, frozen=True):
    older: datetime
    newer: Copy
    ratio: Decimal


def find_splits(copies: Iterable[Copy]) -> list[Split]:
    """This will find the splits that the copies of weighted share counts show, or showed until one was withdrawn."""
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
            known_from = max(shown.filed_from, begin) if held is None else held.known_from
            standing[shown] = Split(*shown, known_from, end)
        found.extend(before.values())
    return sorted([*found, *standing.values()], key=attrgetter("filed_from", "known_from"))


def _shown_by(copies: Iterable[Copy]) -> list[_Shown]:
    """The splits that copies show which all count at once."""
    of_fact: dict[tuple[str, date, int], list[Copy]] = defaultdict(list)
    for copy in copies:
        of_fact[copy.concept, copy.end, copy.days].append(copy)
    evidence: list[_Evidence] = []
    for same_fact in of_fact.values():
        same_fact.sort(key=age)
        for older, newer in pairwise(same_fact):
            ratio = _ratio(older.value, newer.value)
            if ratio is not None and older.known_from < newer.known_from:
                evidence.append(_Evidence(older.known_from, newer, ratio))
    evidence.sort(key=lambda each: (*age(each.newer), each.ratio, each.older))
    splits: list[_Shown] = []
    for each in evidence:
        filed_from = each.newer.known_from
        if not any(
            split.ratio == each.ratio and each.older < split.filed_from <= filed_from for split in splits
        ) and not any(split.filed_from == filed_from for split in splits):
            splits.append(_Shown(filed_from, each.ratio, each.newer.accession))
    return splits


def _ratio(older: Decimal, newer: Decimal) -> Decimal | None:
    if older <= 0 or newer <= 0 or older == newer:
        return None
    found = newer / older
    return next((ratio for ratio in RATIOS if abs(found / ratio - 1) <= _TOLERANCE), None)
