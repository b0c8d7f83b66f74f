"""What filings have stated for one metric and one span, and how much of it counted at an instant."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime

import msgspec

from projections.financials.copies import Copy, Vintage, by_vintage, known_at_instant, most_trusted, without_slips

SlipFlags = dict[tuple[str, str], tuple[str, ...]]
"""By concept and unit, what is to be said of its slips."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """
    The copies that count at an instant, first known first.

    `trusted` are those of the most trusted forms and `sound` those of them that are no slips, in
    `newest` by vintage, concept and unit. `slip_flags` tells of the slips.
    """

    trusted: list[Copy]
    sound: list[Copy]
    by_vintage: dict[Vintage, list[Copy]]
    newest: dict[Vintage, dict[tuple[str, str], Copy]]
    slip_flags: SlipFlags

    @staticmethod
    def of(known: list[Copy]) -> "Standing":
        """What stands of the copies known at one instant, given first known first."""
        trusted = most_trusted(known)
        sound, slip_flags = without_slips(trusted)
        parted = by_vintage(sound)
        newest = {vintage: {(copy.concept, copy.unit): copy for copy in copies} for vintage, copies in parted.items()}
        return Standing(trusted, sound, parted, newest, slip_flags)


class SpanHistory:
    """
    All copies of one span, first known first.

    Between two of its `instants` nothing begins or ceases to count. It is `undisputed` when all filings say the same of
    one concept and none was withdrawn.
    """

    __slots__ = ("_standings", "copies", "instants", "undisputed")

    def __init__(self, copies: list[Copy]) -> None:
        self.copies = copies
        first = copies[0]
        instants = {first.known_from}
        undisputed = first.known_to is None
        if not undisputed:
            instants.add(first.known_to)  # type: ignore[arg-type]  # not None
        for copy in copies[1:]:
            instants.add(copy.known_from)
            if copy.known_to is not None:
                instants.add(copy.known_to)
                undisputed = False
            elif undisputed:
                undisputed = (
                    copy.value == first.value
                    and copy.concept == first.concept
                    and copy.unit == first.unit
                    and copy.tier == first.tier
                )
        self.instants = sorted(instants)
        self.undisputed = undisputed
        self._standings: dict[int, Standing | None] = {}

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
            standing = self._standings[place] = Standing.of(known) if known else None
            return standing


def instants_of(histories: Iterable[SpanHistory]) -> set[datetime]:
    """Every instant at which something of one of the spans begins or ceases to count."""
    return {instant for history in histories for instant in history.instants}
