"""What is never negative: filed with a minus it is turned, and no part exceeds its whole."""

from collections import defaultdict
from datetime import date
from functools import cache

import msgspec

from projections.financials.copies import Copy, is_same_rounded
from queries.metrics.catalogue import load_catalogue


def turned_positive(copies: list[Copy]) -> list[Copy]:
    """The copies, those below zero of what is never negative with the opposite sign and marked so."""
    concepts = _never_negative()
    return [
        msgspec.structs.replace(copy, value=-copy.value, turned=True)
        if copy.concept in concepts and copy.value < 0
        else copy
        for copy in copies
    ]


def without_parts_above_wholes(copies: list[Copy]) -> list[Copy]:
    """
    The copies but for parts above their wholes, of what is never negative.

    So a copy feeds nothing where its filing gives less of the same concept for a longer period until the same day.
    """
    concepts = _never_negative()
    until: dict[tuple[str, str, str, date], list[Copy]] = defaultdict(list)
    for copy in copies:
        if copy.concept in concepts:
            until[copy.accession, copy.concept, copy.unit, copy.end].append(copy)
    above = {
        id(part)
        for stated in until.values()
        for part in stated
        if any(_is_above(part, whole) for whole in stated if part.days < whole.days)
    }
    return [copy for copy in copies if id(copy) not in above] if above else copies


def _is_above(part: Copy, whole: Copy) -> bool:
    return part.value > whole.value and not is_same_rounded(part.value, whole.value)


@cache
def _never_negative() -> frozenset[str]:
    return frozenset(
        concept for metric in load_catalogue().metrics if metric.never_negative for concept in metric.concepts
    )
