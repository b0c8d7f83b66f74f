"""Which industry and country a company is of, over time, and the sector an industry belongs to."""

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
    sic: str | None
    country: str | None


def reclassified(
    history: Sequence[Classification], *, at: datetime, sic: str | None, country: str | None
) -> list[Classification]:
    """
    The history of a company that is of another industry or country from an instant on.

    What nobody had said before was not known rather than otherwise: the first industry and the first country hold from
    the beginning. An instant that is not after the newest one, as after a clock was set back, takes its place.
    """
    first_sic = sic if all(each.sic is None for each in history) else None
    first_country = country if all(each.country is None for each in history) else None
    filled = [
        Classification(valid_from=each.valid_from, sic=each.sic or first_sic, country=each.country or first_country)
        for each in history
        if each.valid_from < at
    ]
    newest = Classification(valid_from=at if filled else BEGINNING, sic=sic, country=country)
    distinct: list[Classification] = []
    for each in (*filled, newest):
        if not distinct or (each.sic, each.country) != (distinct[-1].sic, distinct[-1].country):
            distinct.append(each)
    return distinct
