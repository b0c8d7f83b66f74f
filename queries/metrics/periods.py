"""Periods by their dates alone: duration classes, calendar labels, fiscal labels, and when a filing became known."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

PeriodType = Literal["annual", "quarterly", "ttm", "instant"]

EASTERN = ZoneInfo("America/New_York")
"""The clock EDGAR's filing days are kept in."""

LONGEST_YEAR_DAYS = 381
_ANNUAL_DAYS = range(351, LONGEST_YEAR_DAYS + 1)
_QUARTER_DAYS = (range(81, 102), range(111, 122))
_CLASS_OF_LENGTH: dict[int, PeriodType] = {
    0: "instant",
    **dict.fromkeys(_ANNUAL_DAYS, "annual"),
    **dict.fromkeys((days for window in _QUARTER_DAYS for days in window), "quarterly"),
}
_YEAR_TO_DATE_DAYS = (range(160, 196), range(245, 296))
_QUARTER_LENGTH_DAYS = 365.25 / 4
_FISCAL_REACH_DAYS = 25
_FIRST_DAYS_OF_JANUARY = timedelta(days=6)


def duration_days(start: date | None, end: date) -> int:
    """The days a period covers, both ends counted; 0 for an instant."""
    return 0 if start is None else (end - start).days + 1


def period_type(days: int) -> PeriodType | None:
    """
    The class a duration of so many days belongs to; None for the lengths no metric is kept for.

    52/53-week years and quarters of 12, 13 and 16 weeks are all inside the windows.
    """
    return _CLASS_OF_LENGTH.get(days)


def is_reporting_length(days: int) -> bool:
    """Whether a filing's own period may be so long: a quarter, a half year, nine months or a year."""
    return period_type(days) in {"quarterly", "annual"} or any(days in window for window in _YEAR_TO_DATE_DAYS)


@cache
def calendar_label(end: date, days: int) -> tuple[str | None, int]:
    """
    The calendar period this period stands for, such as CY2024, CY2024Q3 or CY2024Q3I, and its distance from it in days.

    A year is named after the day 180 days before its end, a quarter or an instant after the calendar quarter that the
    day 45 days before its end lies in: the rule behind the `frame` labels of the SEC. The distance is that of the ends.
    """
    kind = period_type(days)
    if kind is None:
        return None, 0
    if kind == "annual":
        year = (end - timedelta(days=180)).year
        return f"CY{year}", (end - date(year, 12, 31)).days
    inside = end - timedelta(days=45)
    quarter = (inside.month - 1) // 3 + 1
    last_day = date(inside.year + quarter // 4, quarter % 4 * 3 + 1, 1) - timedelta(days=1)
    return f"CY{inside.year}Q{quarter}{'I' if kind == 'instant' else ''}", (end - last_day).days


def trailing_label(end: date) -> str:
    """The label of the twelve months that end on a day, such as CY2024Q3TTM: that of an instant there."""
    label, _ = calendar_label(end, 0)
    return f"{str(label).removesuffix('I')}TTM"


def distance_from_label(kind: str, end: date, calendar_offset: int) -> int:
    """How many days a period is from the calendar period it is labelled with; twelve months are as far as their end."""
    return abs(calendar_label(end, 0)[1] if kind in ("ttm", "instant") else calendar_offset)


def standing_order(distance: int, known_from: datetime, days: int, end: date) -> tuple[int, float, int, int]:
    """
    The order in which a company's own periods claim a calendar period; the least stands for it.

    The nearest, then the one known last, then the longer, then the later.
    """
    return distance, -known_from.timestamp(), -days, -end.toordinal()


def fiscal_label(end: date, days: int, latest_fiscal_year_end: date | None) -> tuple[int, str] | None:
    """
    The company's own name for a period: (fiscal year, "FY" or "Q1" to "Q4").

    A fiscal year is named after the calendar year it ends in, where the first six days of January still count to the
    year before. Quarters are counted from the known fiscal year end; None where a date does not fit its rhythm.
    """
    if period_type(days) == "annual":
        return _fiscal_year_ending(end), "FY"
    if latest_fiscal_year_end is None:
        return None
    distance = (end - latest_fiscal_year_end).days
    quarters = round(distance / _QUARTER_LENGTH_DAYS)
    if abs(distance - quarters * _QUARTER_LENGTH_DAYS) > _FISCAL_REACH_DAYS:
        return None
    quarter = quarters % 4
    to_year_end = timedelta(days=round((-quarters % 4) * _QUARTER_LENGTH_DAYS))
    year = _fiscal_year_ending(end + to_year_end)
    if quarter == 0:
        return year, "FY" if days == 0 else "Q4"
    return year, f"Q{quarter}"


def is_plausible(day: date) -> bool:
    """Whether a period can really end on a day: mistyped years such as 0021 are kept as filed but feed nothing."""
    return 1900 <= day.year < 2200


@cache
def known_at(filed_on: date, accepted_at: datetime | None) -> datetime:
    """When the world could know a filing: its acceptance, else the end of its filing day in US Eastern time."""
    return accepted_at if accepted_at is not None else end_of_day(filed_on)


@cache
def end_of_day(day: date) -> datetime:
    """The instant at which a day ends in US Eastern time, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), EASTERN).astimezone(UTC)


def year_before(end: date, years: int) -> date:
    """The same day so many years earlier; 29 February becomes the 28th."""
    try:
        return end.replace(year=end.year - years)
    except ValueError:
        return end.replace(year=end.year - years, day=28)


def _fiscal_year_ending(end: date) -> int:
    return (end - _FIRST_DAYS_OF_JANUARY).year
