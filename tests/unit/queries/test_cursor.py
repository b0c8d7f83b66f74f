"""Cursors come back as they were given, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.errors import QueryError
from queries.service.cursor import read_cursor, write_cursor


@given(st.text(), st.text(max_size=50), st.integers(min_value=0, max_value=2**62))
def test_a_cursor_gives_back_its_key(question: str, name: str, cik: int) -> None:
    assert read_cursor(question, write_cursor(question, (name, cik)), tuple[str, int]) == (name, cik)


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="cursor"):
        read_cursor("question", text, tuple[str, int])


def test_a_cursor_of_another_question_is_refused() -> None:
    with pytest.raises(QueryError, match="another question"):
        read_cursor("one", write_cursor("other", (1,)), tuple[int])
