"""How far a reader of changes has been told: as it is compared, and as cursors and event ids name it."""

from datetime import date
from typing import NamedTuple

EVENT, RESTATED, REPLACED, AGGREGATE, ALL = range(5)
"""What stands at one place of the log, in the order in which it is told."""
LAST = 2**63 - 1
"""Stands for the place of what no one event brought: behind all of them."""
RESTATED_KEY_PARTS = 4
_KEY_PARTS = {EVENT: 1, RESTATED: RESTATED_KEY_PARTS, REPLACED: 0, AGGREGATE: 2, ALL: 0}
_MOST_DAYS = 2**31 - 1


class Place(NamedTuple):
    """
    How far a reader has been told: all that was told at `told_at` up to a row, or all of it.

    Places compare in the order of telling, except for `key`, whose order is the database's.
    """

    told_at: int
    position: int = LAST
    stage: int = ALL
    key: tuple[str, ...] = ()

    @property
    def complete_to(self) -> int:
        """The last position of which everything has been told."""
        return self.told_at if self.is_whole else self.told_at - 1

    @property
    def is_whole(self) -> bool:
        """Whether all that was told at `told_at` lies before it."""
        return self == Place(self.told_at)

    @property
    def text(self) -> str:
        """The place as the stream names it: a position where all of it was told."""
        return str(self.told_at) if self.is_whole else "/".join(map(str, (*self[:3], *self.key)))


def read_place(text: str) -> Place:
    """
    This will read what `Place.text` wrote.

    Raises:
        ValueError: it did not.
    """
    told_at, *rest = text.split("/")
    position, stage, *key = rest or (LAST, ALL)
    place = Place(int(told_at), int(position), int(stage), tuple(map(str, key)))
    # More is read as a number here than there is written, or the tables take.
    if not (place.text == text and "\x00" not in text and _stands_somewhere(place)):
        raise ValueError("it is no place")
    return place


def _stands_somewhere(place: Place) -> bool:
    told_at, position, stage, key = place
    if not (0 <= told_at <= LAST and 0 <= position <= LAST and len(key) == _KEY_PARTS.get(stage)):
        return False
    if stage != RESTATED:
        return True
    _, end, days, _ = key
    return date.fromisoformat(end).isoformat() == end and str(int(days)) == days and 0 <= int(days) <= _MOST_DAYS
