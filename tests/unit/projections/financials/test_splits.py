"""Splits hold while the filings that show them count. Days are those a filing became known and was withdrawn on."""

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec
import pytest

from projections.financials.copies import Copy
from projections.financials.splits import find_splits

type Shown = tuple[str, str, str, str | None]
"""Ratio, the filing that shows it, and the days between which it was known."""


class Filing(msgspec.Struct, frozen=True):
    """What a filing says of the diluted shares of one year, or of some, in millions."""

    accession: str
    known: str
    millions: int | dict[int, int]
    withdrawn: str | None = None


def copies_of(filing: Filing) -> list[Copy]:
    said = filing.millions if isinstance(filing.millions, dict) else {2023: filing.millions}
    return [
        Copy(
            concept="us-gaap:WeightedAverageNumberOfDilutedSharesOutstanding",
            unit="shares",
            start=date(year, 1, 1),
            end=date(year, 12, 31),
            days=365,
            value=Decimal(millions * 1_000_000),
            known_from=instant(filing.known),
            known_to=instant(filing.withdrawn) if filing.withdrawn else None,
            accession=filing.accession,
            tier=0,
            cycle=0,
            amendment=False,
        )
        for year, millions in said.items()
    ]


def instant(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


FIRST = Filing("first", "2024-02-01", 100)
IN_ERROR = Filing("in error", "2024-05-01", 1_000, withdrawn="2024-07-01")

CASES: dict[str, tuple[list[Filing], list[Shown]]] = {
    "a later filing counts ten for one": (
        [FIRST, Filing("later", "2025-02-01", 1_000)],
        [("10", "later", "2025-02-01", None)],
    ),
    "the filing that showed it is withdrawn": (
        [FIRST, IN_ERROR],
        [("10", "in error", "2024-05-01", "2024-07-01")],
    ),
    "the filing before it is withdrawn": (
        [Filing("first", "2024-02-01", 100, withdrawn="2025-06-01"), Filing("later", "2025-02-01", 1_000)],
        [("10", "later", "2025-02-01", "2025-06-01")],
    ),
    "the first value is repeated after the withdrawal": (
        [FIRST, IN_ERROR, Filing("later", "2025-02-01", 100)],
        [("10", "in error", "2024-05-01", "2024-07-01")],
    ),
    "the first value is repeated before the withdrawal": (
        [FIRST, IN_ERROR, Filing("later", "2024-06-01", 100)],
        [("10", "in error", "2024-05-01", "2024-07-01"), ("0.1", "later", "2024-06-01", "2024-07-01")],
    ),
    "a split that really was, after the withdrawal": (
        [FIRST, IN_ERROR, Filing("later", "2025-02-01", 200)],
        [("10", "in error", "2024-05-01", "2024-07-01"), ("2", "later", "2025-02-01", None)],
    ),
    "a split that really was, known by its ratio only after the withdrawal": (
        [FIRST, IN_ERROR, Filing("later", "2024-06-01", 200)],
        [
            ("10", "in error", "2024-05-01", "2024-07-01"),
            ("0.2", "later", "2024-06-01", "2024-07-01"),
            ("2", "later", "2024-07-01", None),
        ],
    ),
    "two filings show it and the first is withdrawn": (
        [
            Filing("first", "2024-02-01", {2022: 90, 2023: 100}),
            Filing("second", "2024-05-01", {2022: 180}, withdrawn="2024-08-01"),
            Filing("third", "2024-06-01", {2023: 200}),
        ],
        [("2", "second", "2024-05-01", "2024-08-01"), ("2", "third", "2024-08-01", None)],
    ),
    "one of the two years that show it is withdrawn": (
        [
            Filing("first", "2024-02-01", {2022: 90}, withdrawn="2024-08-01"),
            Filing("second", "2024-03-01", {2023: 100}),
            Filing("third", "2024-06-01", {2022: 180, 2023: 200}),
        ],
        [("2", "third", "2024-06-01", None)],
    ),
    "it was withdrawn before it was known": (
        [FIRST, Filing("later", "2025-02-01", 1_000, withdrawn="2025-01-01")],
        [],
    ),
}


@pytest.mark.parametrize(("filings", "expected"), CASES.values(), ids=CASES)
def test_a_split_is_known_while_the_filings_that_show_it_count(filings: list[Filing], expected: list[Shown]) -> None:
    splits = find_splits(copy for filing in reversed(filings) for copy in copies_of(filing))

    assert splits == sorted(splits, key=lambda split: (split.filed_from, split.known_from))
    assert {(str(split.ratio), split.accession, split.known_from, split.known_to) for split in splits} == {
        (ratio, accession, instant(known_from), known_to and instant(known_to))
        for ratio, accession, known_from, known_to in expected
    }


def test_values_filed_with_a_split_stand_on_its_basis_however_late_it_was_found() -> None:
    filings = [FIRST, IN_ERROR, Filing("later", "2024-06-01", 200)]

    *_, split = find_splits(copy for filing in filings for copy in copies_of(filing))

    assert (split.filed_from, split.known_from) == (instant("2024-06-01"), instant("2024-07-01"))


@pytest.mark.parametrize(
    ("between", "restated", "filed_from"),
    [
        ({"2024-08-01": 410, "2024-11-01": 390}, 400, "2024-08-01"),
        ({"2024-08-01": 103, "2024-11-01": 390}, 400, "2024-11-01"),
        ({"2024-08-01": 390, "2024-11-01": 103}, 400, "2025-02-01"),  # the last before it does not count so
        ({"2024-11-01": 200}, 400, "2025-02-01"),  # as far from the one as from the other
        ({"2024-08-01": 90, "2024-11-01": 7}, 5, "2024-11-01"),
        ({"2024-11-01": 0}, 5, "2025-02-01"),  # says nothing
    ],
)
def test_filings_stand_on_the_new_basis_from_the_first_that_counts_like_the_one_that_shows_it(
    between: dict[str, int], restated: int, filed_from: str
) -> None:
    filings = [FIRST, *(Filing(day, day, {2022: 100, 2024: count}) for day, count in between.items())]
    filings.append(Filing("later", "2025-02-01", {2023: restated}))

    (split,) = find_splits(copy for filing in filings for copy in copies_of(filing))

    assert (split.accession, split.known_from) == ("later", instant("2025-02-01"))
    assert split.filed_from == instant(filed_from)


def test_a_filing_that_shows_a_split_again_shows_no_second_one_whatever_it_was_dated() -> None:
    filings = [
        Filing("first", "2024-02-01", {2023: 100}),
        Filing("wrongly taken for new", "2024-06-01", {2022: 90, 2024: 260}),
        Filing("shows it", "2024-09-01", {2023: 400}),
        Filing("again", "2025-02-01", {2022: 360}),
    ]

    found = find_splits(copy for filing in filings for copy in copies_of(filing))

    assert [(str(split.ratio), split.accession) for split in found] == [("4", "shows it")]
