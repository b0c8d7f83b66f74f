from datetime import UTC, datetime

import pytest

from projections.financials.classification import BEGINNING, Classification, reclassified, sector_of
from projections.financials.names import display_name


@pytest.mark.parametrize(
    ("sic", "sector"),
    [
        ("3571", "manufacturing"),
        ("5331", "retail-trade"),
        ("6021", "finance"),
        ("7372", "services"),
        ("4911", "transportation-and-utilities"),
        ("0100", "agriculture"),
        ("1311", "mining"),
        ("9995", "public-administration"),
        ("9000", None),
        (None, None),
    ],
)
def test_the_sector_is_the_sic_division(sic: str | None, sector: str | None) -> None:
    assert sector_of(sic) == sector


@pytest.mark.parametrize(
    ("filed", "shown"),
    [
        ("McDONALD’S CORPORATION", "McDONALD'S CORPORATION"),
        ("HOME DEPOT,\u00a0INC.", "HOME DEPOT, INC."),
        ("A\u200bB \u202eevil\u202c  Co", "AB evil Co"),
    ],
)
def test_a_name_is_cleaned_for_display(filed: str, shown: str) -> None:
    assert display_name(filed) == shown


class TestHistory:
    def history(self, *steps: tuple[int, str | None, str | None]) -> list[tuple[int, str | None, str | None]]:
        """What registering in year 0 and reclassifying in later years comes to, year by year."""
        (_, sic, country), *later = steps
        found = [Classification(valid_from=BEGINNING, sic=sic, country=country)]
        for year, sic, country in later:
            at = datetime(year, 1, 1, tzinfo=UTC)
            found = reclassified(found, Classification(valid_from=at, sic=sic, country=country))
        return [(0 if each.valid_from == BEGINNING else each.valid_from.year, each.sic, each.country) for each in found]

    def test_keeps_what_was_before_a_change(self) -> None:
        steps = [(0, "3571", "US"), (2024, "6021", "US"), (2025, "6021", None)]

        assert self.history(*steps) == steps

    def test_lets_what_was_said_first_hold_from_the_beginning(self) -> None:
        assert self.history((0, None, None), (2024, None, "US"), (2025, "3571", "US")) == [(0, "3571", "US")]

    def test_keeps_size_classes_like_the_rest(self) -> None:
        at = [BEGINNING, *(datetime(year, 1, 1, tzinfo=UTC) for year in (2023, 2024, 2025))]
        said = [None, "accelerated", "accelerated", "large_accelerated"]

        found: list[Classification] = []
        for valid_from, size_class in zip(at, said, strict=True):
            found = reclassified(found, Classification(valid_from=valid_from, sic="3571", size_class=size_class))

        assert [(each.valid_from, each.size_class) for each in found] == [
            (BEGINNING, "accelerated"),
            (at[3], "large_accelerated"),
        ]

    def test_does_not_fill_what_was_taken_back(self) -> None:
        steps = [(0, "3571", None), (2024, None, None), (2025, "6021", None)]

        assert self.history(*steps) == steps

    def test_has_no_interval_that_ends_before_it_begins(self) -> None:
        steps = [(0, "3571", "US"), (2025, "6021", "US"), (2024, "7372", "US")]

        assert self.history(*steps) == [(0, "3571", "US"), (2024, "7372", "US")]
