"""Which industry, country and size class a company is of, over time, and the sector an industry belongs to."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Since when a company is what was said of it first."""

# The ten divisions of the Standard Industrial Classification, by major group.
_DIVISIONS = (
    (range(1, 10), "agriculture"),
    (range(10, 15), "mining"),
    (range(15, 18), "construction"),
    (range(20, 40), "manufacturing"),
    (range(40, 50), "transportation-and-utilities"),
    (range(50, 52), "wholesale-trade"),
    (range(52, 60), "retail-trade"),
    (range(60, 68), "finance"),
    (range(70, 90), "services"),
    (range(91, 100), "public-administration"),
)

SECTORS = tuple(name for _, name in _DIVISIONS)


def sector_of(sic: str | None) -> str | None:
    """The division a four-digit SIC code belongs to; None where there is no code or no division for it."""
    if sic is None:
        return None
    major_group = int(sic[:2])
    return next((name for span, name in _DIVISIONS if major_group in span), None)


class Classification(msgspec.Struct, frozen=True, kw_only=True):
    """What a company was taken for from an instant until the next one of its history."""

    valid_from: datetime
    sic: str | None = None
    country: str | None = None
    size_class: str | None = None

    def said(self) -> dict[str, str | None]:
        """All of it but since when."""
        return {"sic": self.sic, "country": self.country, "size_class": self.size_class}


def reclassified(history: Sequence[Classification], now: Classification) -> list[Classification]:
    """
    The history of a company that is of another industry, country or size class from an instant on.

    What nobody had said before was not known rather than otherwise: the first industry, the first country and the first
    size class hold from the beginning. An instant that is not after the newest one, as after a clock was set back,
    takes its place.
    """
    firsts = {name: of_now for name, of_now in now.said().items() if all(each.said()[name] is None for each in history)}
    filled = [msgspec.structs.replace(each, **firsts) for each in history if each.valid_from < now.valid_from]
    newest = now if filled else msgspec.structs.replace(now, valid_from=BEGINNING)
    distinct: list[Classification] = []
    for each in (*filled, newest):
        if not distinct or each.said() != distinct[-1].said():
            distinct.append(each)
    return distinct
