"""Single values as they are filed."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from commands.sources.values import (
    ValueUnusable,
    canonical_decimal,
    check_accession,
    month_end,
    parse_compact_date,
    parse_instant,
    parse_iso_date,
    start_of_quarters,
)


class TestCanonicalDecimal:
    @pytest.mark.parametrize(
        ("written", "canonical"),
        [
            ("383285000000", "383285000000"),
            ("-0", "0"),
            ("0.0", "0"),
            ("57178642.0", "57178642"),
            ("6.130", "6.13"),
            ("1e-05", "0.00001"),
            ("1E+3", "1000"),
            ("-1.50", "-1.5"),
        ],
    )
    def test_has_one_spelling_for_every_number(self, written: str, canonical: str) -> None:
        assert canonical_decimal(written) == canonical

    @pytest.mark.parametrize("written", ["NaN", "Infinity", "null", "", "1,000", "0x10", "9" * 300, "1e300", "1e-5000"])
    def test_refuses_what_no_reported_figure_can_be(self, written: str) -> None:
        with pytest.raises(ValueUnusable):
            canonical_decimal(written)


class TestDates:
    @pytest.mark.parametrize("written", ["2023-02-29", "2023-13-01", "2023-1-1", "20230101", ""])
    def test_refuses_dates_that_do_not_exist(self, written: str) -> None:
        with pytest.raises(ValueUnusable):
            parse_iso_date(written)

    @pytest.mark.parametrize("written", ["20230229", "2023-01-01", "202301"])
    def test_refuses_compact_dates_that_do_not_exist(self, written: str) -> None:
        with pytest.raises(ValueUnusable):
            parse_compact_date(written)

    @pytest.mark.parametrize(
        ("end", "quarters", "start"),
        [
            (date(2010, 3, 31), 1, date(2010, 1, 1)),
            (date(2010, 3, 31), 2, date(2009, 10, 1)),
            (date(2009, 12, 31), 4, date(2009, 1, 1)),
            (date(2010, 1, 31), 4, date(2009, 2, 1)),
        ],
    )
    def test_counts_quarters_back_from_a_month_end(self, end: date, quarters: int, start: date) -> None:
        assert start_of_quarters(end=end, quarters=quarters) == start

    def test_knows_the_ends_of_months(self) -> None:
        assert [month_end(day) for day in (date(2012, 2, 1), date(2012, 12, 31), date.max)] == [
            date(2012, 2, 29),
            date(2012, 12, 31),
            date.max,
        ]

    @pytest.mark.parametrize("written", ["soon", "2023-02-30T00:00:00", "9999-12-31T20:00:00", "0001-01-01T00:00:00Z"])
    def test_refuses_instants_that_do_not_exist_or_are_in_no_year_of_figures(self, written: str) -> None:
        with pytest.raises(ValueUnusable, match="instant"):
            parse_instant(written, zone=ZoneInfo("America/New_York"))

    def test_reads_instants_in_the_zone_of_their_file_and_gives_them_in_utc(self) -> None:
        read = [
            parse_instant(written, zone=ZoneInfo("America/New_York"))
            for written in ("2010-04-21 16:39:00.0", "2010-04-21T20:39:00Z")
        ]

        assert read == [datetime(2010, 4, 21, 20, 39, tzinfo=UTC)] * 2


class TestCheckAccession:
    @pytest.mark.parametrize("written", ["000032019323000106", "0000320193-23-106", "0000320193-23-00010x", ""])
    def test_refuses_anything_that_is_not_10_2_and_6_digits(self, written: str) -> None:
        with pytest.raises(ValueUnusable, match="accession"):
            check_accession(written)
