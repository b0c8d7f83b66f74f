"""Share splits, found where a filing states the shares of an old period on a new basis."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

import msgspec

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
    """From `known_from` on, filings count `ratio` shares for each one before; `accession` showed it first."""

    known_from: datetime
    ratio: Decimal
    accession: str


class _Evidence(msgspec.Struct, frozen=True):
    older: datetime
    newer: Copy
    ratio: Decimal


def find_splits(copies: Iterable[Copy]) -> list[Split]:
    """This will find the splits that the copies of weighted share counts show, in order."""
    of_fact: dict[tuple[str, date, int], list[Copy]] = defaultdict(list)
    for copy in copies:
        if copy.concept in SHARE_CONCEPTS:
            of_fact[copy.concept, copy.end, copy.days].append(copy)
    evidence: list[_Evidence] = []
    for same_fact in of_fact.values():
        same_fact.sort(key=age)
        for older, newer in zip(same_fact, same_fact[1:], strict=False):  # noqa: RUF007  # pairs are told apart by name
            ratio = _ratio(older.value, newer.value)
            if ratio is not None and older.known_from < newer.known_from:
                evidence.append(_Evidence(older.known_from, newer, ratio))
    evidence.sort(key=lambda each: (*age(each.newer), each.ratio, each.older))
    splits: list[Split] = []
    for each in evidence:
        known_from = each.newer.known_from
        if not any(
            split.ratio == each.ratio and each.older < split.known_from <= known_from for split in splits
        ) and not any(split.known_from == known_from for split in splits):
            splits.append(Split(known_from, each.ratio, each.newer.accession))
    return splits


def _ratio(older: Decimal, newer: Decimal) -> Decimal | None:
    if older <= 0 or newer <= 0 or older == newer:
        return None
    found = newer / older
    return next((ratio for ratio in RATIOS if abs(found / ratio - 1) <= _TOLERANCE), None)
