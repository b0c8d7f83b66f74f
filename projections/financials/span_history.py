"""What filings have stated for one metric and one span, and how much of it counted at an instant."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from projections.financials.copies import (
    Copy,
    Vintage,
    age,
    by_vintage,
    is_same_rounded,
    known_at_instant,
    most_trusted,
    without_slips,
)
from projections.financials.selection import Measure, ranked, select
from queries.metrics.catalogue import Metric


class Standing:
    """The copies of the most trusted forms that count at an instant, first known first; slips are not sound."""

    def __init__(self, metric: Metric, trusted: list[Copy]) -> None:
        self._metric = metric
        self._trusted = trusted

    @cached_property
    def stated(self) -> tuple[Copy, tuple[str, ...]]:
        """The copy that counts, and what is to be said about it."""
        return select(self._metric, self._trusted)

    @property
    def sound(self) -> list[Copy]:
        """The copies that are no slips."""
        return self._told_from_slips[0]

    @property
    def slip_flags(self) -> dict[Measure, tuple[str, ...]]:
        """What is to be said of the slips."""
        return self._told_from_slips[1]

    @cached_property
    def ranked(self) -> list[tuple[Measure, Copy]]:
        """The newest sound copy of each concept, in the order in which the metric takes them."""
        return ranked(self._metric, self.sound)

    @cached_property
    def ranked_by_vintage(self) -> dict[Vintage, list[tuple[Measure, Copy]]]:
        """The same by vintage, the newest first."""
        return {vintage: ranked(self._metric, copies) for vintage, copies in self._by_vintage.items()}

    @cached_property
    def newest(self) -> dict[Vintage, dict[Measure, Copy]]:
        """The newest sound copy of each vintage, the newest first, in whatever unit."""
        return {
            vintage: {(copy.concept, copy.unit): copy for copy in copies}
            for vintage, copies in self._by_vintage.items()
        }

    def recast_at(self, copy: Copy) -> datetime | None:
        """When a sound copy's value was first given, if another was before; None where it is what was first stated."""
        if self._unvaried:
            return None
        alike = self._up_to(copy)
        if is_same_rounded(alike[0].value, copy.value):
            return None
        return next(each.known_from for each in alike if is_same_rounded(each.value, copy.value))

    def is_as_first_stated(self, copy: Copy) -> bool:
        """Whether a sound copy gives what the original report gave; of a mere comparative it cannot be said."""
        is_known = copy.cycle == 0 or any(each.cycle < copy.cycle for each in self._up_to(copy))
        return is_known and self.recast_at(copy) is None

    def _up_to(self, copy: Copy) -> list[Copy]:
        """The sound copies of its concept and unit up to one of them, first known first."""
        measure, known = (copy.concept, copy.unit), age(copy)
        return [each for each in self.sound if (each.concept, each.unit) == measure and age(each) <= known]

    @cached_property
    def _unvaried(self) -> bool:
        first = self.sound[0].value
        return all(copy.value == first for copy in self.sound)

    @cached_property
    def _told_from_slips(self) -> tuple[list[Copy], dict[Measure, tuple[str, ...]]]:
        return without_slips(self._trusted)

    @cached_property
    def _by_vintage(self) -> dict[Vintage, list[Copy]]:
        return by_vintage(self.sound)


class SpanHistory:
    """
    All copies of one span, first known first.

    Between two of its `instants` nothing begins or ceases to count. It is `undisputed` when all filings say the same of
    one concept and none was withdrawn.
    """

    __slots__ = ("_metric", "_standings", "copies", "has_several_concepts", "instants", "undisputed")

    def __init__(self, metric: Metric, copies: list[Copy]) -> None:
        self._metric = metric
        self.copies = copies
        self._standings: dict[int, Standing | None] = {}
        first = copies[0]
        known = {copy.known_from for copy in copies}
        withdrawn = {copy.known_to for copy in copies if copy.known_to is not None}
        self.instants = sorted(known | withdrawn)
        self.undisputed = not withdrawn and all(
            copy.value == first.value
            and copy.concept == first.concept
            and copy.unit == first.unit
            and copy.tier == first.tier
            for copy in copies
        )
        self.has_several_concepts = not self.undisputed and any(copy.concept != first.concept for copy in copies)

    @property
    def first_known(self) -> datetime:
        """The first instant at which something counted."""
        return self.instants[0]

    def at(self, instant: datetime) -> Standing | None:
        """What stood at an instant; None when nothing counted."""
        place = bisect_right(self.instants, instant)
        try:
            return self._standings[place]
        except KeyError:
            known = known_at_instant(self.copies, instant) if place else []
            standing = self._standings[place] = Standing(self._metric, most_trusted(known)) if known else None
            return standing


def instants_of(histories: Iterable[SpanHistory]) -> set[datetime]:
    """Every instant at which something of one of the spans begins or ceases to count."""
    return {instant for history in histories for instant in history.instants}
