"""Figures of continuing operations alone, told from totals by what else their filing states."""

from datetime import date
from functools import cache

from projections.financials.copies import Copy
from queries.metrics.catalogue import load_catalogue

_Until = tuple[str, str, date, str]
"""Filing, unit, end and concept: of which periods until a day something is stated."""


def without_continuing_alone(copies: list[Copy]) -> list[Copy]:
    """
    The copies but for those of continuing operations whose filing states another total beside them.

    It does so for the same period or for a longer one until the same day: what was discontinued in a year may have been
    so in its fourth quarter.
    """
    totals = _totals_of()
    continuing = [copy for copy in copies if copy.concept in totals]
    if not continuing:
        return copies
    beside = {total for copy in continuing for total in totals[copy.concept]}
    stated = {(_until(copy, copy.concept), copy.days): copy.value for copy in copies if copy.concept in beside}
    told_apart: dict[_Until, int] = {}
    for copy in continuing:
        values = (stated.get((_until(copy, total), copy.days), copy.value) for total in totals[copy.concept])
        if any(value != copy.value for value in values):
            until = _until(copy, copy.concept)
            told_apart[until] = max(copy.days, told_apart.get(until, 0))
    return [
        copy
        for copy in copies
        if copy.concept not in totals or copy.days > told_apart.get(_until(copy, copy.concept), 0)
    ]


def _until(copy: Copy, concept: str) -> _Until:
    return copy.accession, copy.unit, copy.end, concept


@cache
def _totals_of() -> dict[str, tuple[str, ...]]:
    """The totals that each concept of continuing operations is a part of."""
    return {
        part: tuple(concept for concept in metric.concepts if concept not in metric.continuing_concepts)
        for metric in load_catalogue().metrics
        for part in metric.continuing_concepts
    }
