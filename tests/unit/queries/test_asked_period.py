"""Periods in the words of a reader."""

import pytest

from queries.service.asked_period import AskedPeriod, read_period


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("CY2023", AskedPeriod(kind="calendar", year=2023)),
        ("cy2023q3", AskedPeriod(kind="calendar", year=2023, quarter=3)),
        (" CY2023Q3I ", AskedPeriod(kind="calendar", year=2023, quarter=3, instant=True)),
        ("CY2023Q3TTM", AskedPeriod(kind="calendar", year=2023, quarter=3, trailing=True)),
        ("FY2023", AskedPeriod(kind="fiscal", year=2023)),
        ("FY2023Q2", AskedPeriod(kind="fiscal", year=2023, quarter=2)),
    ],
)
def test_calendar_and_fiscal_periods_are_read_and_written_alike(text: str, period: AskedPeriod) -> None:
    assert read_period(text) == period
    assert period.label == text.strip().upper()


def test_a_day_is_the_end_of_a_period() -> None:
    period = read_period("2023-09-30")

    assert (period.kind, period.label) == ("end", "2023-09-30")


@pytest.mark.parametrize(
    "text", ["", "2023", "CY23", "CY2023Q5", "FY2023Q2I", "CY2023I", "2023-02-30", "Q3 2023", "CY0999"]
)
def test_nothing_else_is_a_period(text: str) -> None:
    with pytest.raises(ValueError, match="not a period"):
        read_period(text)
