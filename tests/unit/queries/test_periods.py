"""Periods by dates alone; the frames are those the SEC gave the same facts."""

from datetime import UTC, date, datetime

import pytest

from queries.metrics.periods import calendar_label, duration_days, fiscal_label, known_at, period_type


class TestCalendarLabel:
    @pytest.mark.parametrize(
        ("start", "end", "label"),
        [
            ("2022-09-25", "2023-09-30", "CY2023"),  # Apple, 53 weeks
            ("2025-01-27", "2026-01-25", "CY2025"),  # NVIDIA
            ("2012-07-01", "2013-06-30", "CY2013"),  # Procter & Gamble: a June year belongs to the year it ends in
            ("2012-06-01", "2013-05-31", "CY2012"),  # a May year to the year before
            ("2019-07-01", "2020-06-28", "CY2019"),  # Lam Research: a June year that ends two days early, too
            ("2009-06-28", "2009-09-26", "CY2009Q3"),  # Apple
            ("2019-02-18", "2019-05-12", "CY2019Q1"),  # Costco, twelve weeks
            (None, "2009-09-26", "CY2009Q3I"),
            (None, "2024-02-14", "CY2023Q4I"),
            (None, "2016-11-15", "CY2016Q4I"),  # Home Depot, a cover page as far from September as from December
            ("2022-11-21", "2023-02-12", "CY2022Q4"),  # Costco, twelve weeks about the turn of the year
            ("2018-09-30", "2019-03-30", None),  # six months
        ],
    )
    def test_agrees_with_the_frame_the_sec_gives(self, start: str | None, end: str, label: str | None) -> None:
        first, last = date.fromisoformat(start) if start else None, date.fromisoformat(end)

        assert calendar_label(last, duration_days(first, last))[0] == label


class TestFiscalLabel:
    @pytest.mark.parametrize(
        ("end", "days", "year_end", "label"),
        [
            ("2023-09-30", 371, "2024-09-28", (2023, "FY")),  # Apple
            ("2024-12-28", 91, "2024-09-28", (2025, "Q1")),
            ("2024-09-28", 91, "2024-09-28", (2024, "Q4")),
            ("2024-09-28", 0, "2024-09-28", (2024, "FY")),
            ("2024-11-24", 84, "2024-09-01", (2025, "Q1")),  # Costco: 12, 12, 12 and 16 weeks
            ("2025-02-16", 84, "2024-09-01", (2025, "Q2")),
            ("2025-05-11", 84, "2024-09-01", (2025, "Q3")),
            ("2025-08-31", 112, "2024-09-01", (2025, "Q4")),
            ("2026-01-25", 364, "2026-01-25", (2026, "FY")),  # NVIDIA
            ("2021-01-02", 371, "2021-01-02", (2020, "FY")),  # a year that runs two days into January
            ("2024-11-08", 0, "2024-09-28", None),  # the date of a cover page
            ("2024-12-28", 91, None, None),
        ],
    )
    def test_names_the_period_as_the_company_does(
        self, end: str, days: int, year_end: str | None, label: tuple[int, str] | None
    ) -> None:
        latest_year_end = date.fromisoformat(year_end) if year_end else None

        assert fiscal_label(date.fromisoformat(end), days, latest_year_end) == label


class TestKnownAt:
    def test_is_the_acceptance_where_that_is_recorded(self) -> None:
        accepted = datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)

        assert known_at(date(2023, 11, 3), accepted) == accepted

    @pytest.mark.parametrize(
        ("filed", "known"),
        [
            (date(2023, 11, 3), datetime(2023, 11, 4, 4, tzinfo=UTC)),  # daylight saving time
            (date(2024, 2, 2), datetime(2024, 2, 3, 5, tzinfo=UTC)),
        ],
    )
    def test_is_otherwise_midnight_after_the_filing_day_in_new_york(self, filed: date, known: datetime) -> None:
        assert known_at(filed, None) == known


@pytest.mark.parametrize(
    ("days", "kind"),
    [
        (0, "instant"),
        (1, None),
        (84, "quarterly"),
        (91, "quarterly"),
        (112, "quarterly"),
        (182, None),
        (273, None),
        (365, "annual"),
        (371, "annual"),
    ],
)
def test_a_length_in_days_has_at_most_one_class(days: int, kind: str | None) -> None:
    assert period_type(days) == kind
