"""Cursors come back as they were given, or not at all."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.errors import QueryError
from queries.service.change_place import read_place
from queries.service.cursor import read_cursor, write_cursor

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=50)


@given(st.text(), _NAMES, st.integers(min_value=0, max_value=2**62))
def test_a_cursor_gives_back_its_key(question: str, name: str, cik: int) -> None:
    assert read_cursor(question, write_cursor(question, (name, cik)), tuple[str, int]) == (name, cik)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="cursor"):
        read_cursor("question", text, tuple[str, int])


def test_a_cursor_of_another_question_is_refused() -> None:
    with pytest.raises(QueryError, match="another question"):
        read_cursor("one", write_cursor("other", (1,)), tuple[int])


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (tuple[str], ("a\x00b",)),
        (tuple[str], (7,)),
        (tuple[str], ("a", "b")),
        (tuple[str, int], ("a",)),
        (tuple[int], (-1,)),
        (tuple[int], (2**63,)),
        (tuple[int], (10**40,)),
        (tuple[int], (True,)),
        (tuple[int], (None,)),
        (tuple[Decimal], ("NaN",)),
        (tuple[Decimal], ("sNaN",)),
        (tuple[Decimal], ("Infinity",)),
        (tuple[Decimal], ("1E+131072",)),
        (tuple[Decimal], ("1E-16384",)),
        (tuple[Decimal], ("1E+9999999999999999999",)),
        (tuple[str], ([[[]]],)),
    ],
)
def test_a_cursor_whose_key_no_table_can_be_asked_with_is_refused(kind: Any, key: tuple[Any, ...]) -> None:
    with pytest.raises(QueryError, match="the cursor is damaged"):
        read_cursor("question", write_cursor("question", key), kind)


@pytest.mark.parametrize("number", ["0", "-12.5", "1E+131071", "1E-16383", "-0"])
def test_a_cursor_may_hold_any_number_a_table_can_be_asked_with(number: str) -> None:
    key = (Decimal(number), 2**63 - 1)

    assert read_cursor("question", write_cursor("question", key), tuple[Decimal, int]) == key


@pytest.mark.parametrize(
    "text",
    [
        "7",
        "7/7/0/name",
        "7/7/0/",
        "7/7/4",
        "7/7/1/revenue/2023-12-31/365/annual",
        f"7/{2**63 - 1}/2",
        f"7/{2**63 - 1}/3/revenue/every",
        f"{2**63 - 1}",
    ],
)
def test_a_place_comes_back_as_it_was_written(text: str) -> None:
    assert read_place(text).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+7",
        " 7",
        "1_0",
        "\u0667",
        "1e3",
        f"{2**63}",
        "9" * 5000,
        "7/7",
        "7/-1/0/name",
        f"7/{2**63}/0/name",
        "7/7/0/na\x00me",
        "7/7/0",
        "7/7/1/revenue/2023-12-31/365",
        "7/7/1/revenue/2023-02-30/365/annual",
        "7/7/1/revenue/2023-W01-1/365/annual",
        "7/7/1/revenue/20231231/365/annual",
        "7/7/1/revenue/2023-12-31/-1/annual",
        "7/7/1/revenue/2023-12-31/3_6_5/annual",
        f"7/7/1/revenue/2023-12-31/{2**31}/annual",
        "7/7/2/more",
        "7/7/3/revenue",
        "7/7/5",
        "7/7/9/x",
    ],
)
def test_any_other_text_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_place(text)
