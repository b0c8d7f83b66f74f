"""Quarters under whose dates a filing states the whole year."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

import msgspec

from projections.financials.copies import Copy, Span


def without_years(copies: Mapping[Span, list[Copy]]) -> dict[Span, list[Copy]]:
    """
    The copies of an additive metric by span, those of quarters only while they are not known to be of the whole year.

    The last quarter is as large as its year only where nothing came before it. A copy that equals what its filing gives
    of the year stops counting when another value than zero is known of the part before, unless zero was known by then.
    """
    years: dict[date, list[Span]] = defaultdict(list)
    for span in copies:
        if span.kind == "annual":
            years[span.end].append(span)
    kept = dict(copies)
    for quarter in copies:
        if quarter.kind == "quarterly":
            for year in years.get(quarter.end, ()):
                before = copies.get(_before(quarter, year))
                if before is not None:
                    kept[quarter] = _without_year(kept[quarter], copies[year], before)
    return {span: found for span, found in kept.items() if found}


def _before(quarter: Span, year: Span) -> Span:
    """The part of a year that lies before its last quarter."""
    return Span(quarter.end - timedelta(days=quarter.days), year.days - quarter.days)


def _without_year(of_quarter: list[Copy], of_year: list[Copy], before: list[Copy]) -> list[Copy]:
    stated = {(copy.accession, copy.unit, copy.value) for copy in of_year}
    something = _first_known(copy for copy in before if copy.value)
    nothing = _first_known(copy for copy in before if not copy.value)
    kept = []
    for copy in of_quarter:
        is_year = (copy.accession, copy.unit, copy.value) in stated
        if something is None or not is_year or (nothing is not None and nothing <= copy.known_from):
            kept.append(copy)
        elif copy.known_from < something:
            known_to = something if copy.known_to is None else min(copy.known_to, something)
            kept.append(msgspec.structs.replace(copy, known_to=known_to))
    return kept


def _first_known(copies: Iterable[Copy]) -> datetime | None:
    return min((copy.known_from for copy in copies), default=None)
