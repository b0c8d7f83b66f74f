"""
Which versions of its operands a formula takes, where a filing recast one of them and says nothing of the others.

What one filing states of all of them belongs together; one as recast over another as it was belongs to no company.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import is_
from typing import NamedTuple

from projections.financials.copies import Copy, is_slip
from projections.financials.reported import value_of
from projections.financials.span_history import SpanHistory
from projections.financials.timeline import Finding, Timeline, Version, at
from queries.metrics.catalogue import Metric


class Place(NamedTuple):
    """What filings have stated of an operand: its metric, and the histories of the spans its value may stand for."""

    metric: Metric
    histories: Sequence[SpanHistory]


Versions = list[Version | None]
"""A version of each operand, None where it has no value."""


class Followed:
    """
    What a formula gives, to be asked for one instant after the other.

    It takes the versions of its operands that stand, but for a recast no filing states together with the others: then
    those before it, for as long as one filing that counts states them. `places` are asked for only where something was
    recast.
    """

    __slots__ = ("_find_places", "_found", "_held", "_lines", "_places", "_stating", "_work_out", "kept")

    def __init__(
        self,
        lines: Sequence[Timeline],
        places: Callable[[], Sequence[Place]],
        work_out: Callable[[Versions], Finding | None],
    ) -> None:
        self._lines = lines
        self._work_out = work_out
        self._found: Finding | None = None
        self._find_places = places
        self._places: Sequence[Place] = ()
        self._held: Versions = []
        self._stating: dict[tuple[int, int], list[Copy]] = {}
        self.kept = False
        """Whether a recast was not followed at one of the instants."""

    def at(self, instant: datetime) -> Finding | None:
        """What the formula gives from an instant on."""
        standing = [at(line, instant) for line in self._lines]
        held = self._held
        if held and all(map(is_, held, standing)):
            return self._found
        if self._found is not None and not self._is_followed(held, standing, instant):
            self.kept = True
            return self._found
        self._held = standing
        self._found = self._work_out(standing)
        return self._found

    def instants(self) -> set[datetime]:
        """When something filed of the operands begins or ceases to count, also where no value changes with it."""
        return {each for place in self.places for history in place.histories for each in history.instants}

    @property
    def places(self) -> Sequence[Place]:
        """What was filed of each operand."""
        if not self._places:
            self._places = self._find_places()
        return self._places

    def _is_followed(self, held: Versions, standing: Versions, instant: datetime) -> bool:
        return (
            not _is_recast(held, standing)
            or _made_by_one(standing)
            or self._stand_in_one_filing(standing, instant)
            or not self._stand_in_one_filing(held, instant)
        )

    def _stand_in_one_filing(self, versions: Versions, instant: datetime) -> bool:
        """Whether a filing that counts at an instant states all of these values."""
        stating: set[str] | None = None
        for place, version in enumerate(versions):
            if version is None:
                continue
            filings = {
                copy.accession
                for copy in self._copies_stating(place, version)
                if copy.known_from <= instant and (copy.known_to is None or instant < copy.known_to)
            }
            stating = filings if stating is None else stating & filings
            if not stating:
                return False
        return True

    def _copies_stating(self, place: int, version: Version) -> list[Copy]:
        key = place, id(version)
        if key not in self._stating:
            metric, histories = self.places[place]
            self._stating[key] = [
                copy
                for history in histories
                for copy in history.copies
                if copy.unit == version.unit and value_of(metric, copy) == version.value
            ]
        return self._stating[key]


def may_be_of_one_filing(lines: Iterable[Timeline]) -> bool:
    """Whether several operands have values, and each one that a filing may have stated itself, as no formula."""
    known = [line for line in lines if line]
    return len(known) > 1 and all(any(version.concept is not None for version in line) for line in known)


def _is_recast(before: Versions, after: Versions) -> bool:
    """Whether some operand has another value, none is new or gone, and none was only mended in scale or sign."""
    changed = False
    for old, new in zip(before, after, strict=True):
        if old is new:
            continue
        if old is None or new is None:
            return False
        if old.value != new.value or old.unit != new.unit:
            if is_slip(old.value, new.value):
                return False
            changed = True
    return changed


def _made_by_one(versions: Versions) -> bool:
    """Whether one filing stated all of these values first; where one of them has just come to stand, it counts."""
    known = [version for version in versions if version is not None]
    return len({version.accession for version in known}) == 1 and not any(
        version.sources or version.concept is None for version in known
    )
