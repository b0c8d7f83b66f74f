"""Days and instants of the years of which figures are kept, and no others."""

from datetime import date, datetime

import pytest

from commands.times import FIRST_YEAR, LAST_YEAR, day_errors, instant_errors
from queries.metrics.periods import is_plausible

EDGES = [
    ("1899-12-31T23:59:59+00:00", False),
    ("1900-01-01T00:30:00+01:00", False),
    ("1900-01-01T00:00:00+00:00", True),
    ("2199-12-31T23:59:59+00:00", True),
    ("2199-12-31T23:59:59-01:00", False),
    ("9999-12-31T23:59:59-05:00", False),
    ("0001-01-01T00:00:00+14:00", False),
    ("2024-01-01T00:00:00", False),
]


@pytest.mark.parametrize(("written", "is_right"), EDGES)
def test_an_instant_is_held_against_its_year_in_utc(written: str, is_right: bool) -> None:
    errors = list(instant_errors(datetime.fromisoformat(written), pointer="/accepted_at"))

    assert [error.pointer for error in errors] == ([] if is_right else ["/accepted_at"])


def test_days_are_right_where_figures_can_be_kept_of_them() -> None:
    years = (1, FIRST_YEAR - 1, FIRST_YEAR, 2024, LAST_YEAR, LAST_YEAR + 1, 9999)

    right = [year for year in years if not list(day_errors(date(year, 1, 1), pointer="/filed_on"))]

    assert right == [year for year in years if is_plausible(date(year, 1, 1))]
