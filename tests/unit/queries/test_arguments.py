"""What can be asked is checked with its declaration."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest

from queries.errors import QueryError
from queries.event_token import EventToken
from queries.service.arguments import AsOf, Query, argument, arguments_of, read_arguments, read_as_of


class Asked(Query, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A query with one field of each kind."""

    names: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=4)], ...],
        argument("Names.", example=["a"], min_length=1, max_length=2),
    ]
    last: Annotated[int | None, argument("A count.", example=5, ge=1, le=40)] = None
    kind: Annotated[Literal["annual", "quarterly"], argument("A kind.", example="annual")] = "annual"
    from_: Annotated[str | None, argument("A word of the language.", example="x", max_length=3)] = None
    code: Annotated[str | None, argument("A code.", example="3571", pattern=r"^\d{4}$")] = None
    as_of: AsOf = None


class TestArguments:
    def test_read_alike_from_a_url_and_from_json(self) -> None:
        in_url = {"names": "a, b", "last": "7", "kind": "quarterly", "from": "x", "min_position": "3"}
        in_json = {"names": ["a", "b"], "last": 7, "kind": "quarterly", "from": "x", "min_position": 3}

        expected = Asked(names=("a", "b"), last=7, kind="quarterly", from_="x", min_position=3)
        assert read_arguments(Asked, in_url) == read_arguments(Asked, in_json) == expected

    @pytest.mark.parametrize(
        ("given", "position"), [("3", 3), (3, 3), ("event-3", EventToken(3)), (None, None), ("9" * 18, 10**18 - 1)]
    )
    def test_name_a_position_by_number_or_token(self, given: Any, position: EventToken | int | None) -> None:
        asked = {"names": "a"} | ({} if given is None else {"min_position": given})

        assert read_arguments(Asked, asked).min_position == position

    def test_stand_with_their_own_first_and_the_inherited_last(self) -> None:
        assert list(arguments_of(Asked)) == ["names", "last", "kind", "from", "code", "as_of", "min_position"]

    @pytest.mark.parametrize(
        ("given", "pointer", "code"),
        [
            ({}, "names", "missing_parameter"),
            ({"names": ""}, "names", "invalid_parameter"),
            ({"names": "a,b,c"}, "names", "invalid_parameter"),
            ({"names": "abcde"}, "names", "invalid_parameter"),
            ({"names": ["a", 1]}, "names", "invalid_parameter"),
            ({"names": {"a": 1}}, "names", "invalid_parameter"),
            ({"names": "a", "last": "0"}, "last", "invalid_parameter"),
            ({"names": "a", "last": 41}, "last", "invalid_parameter"),
            ({"names": "a", "last": True}, "last", "invalid_parameter"),
            ({"names": "a", "last": 1.5}, "last", "invalid_parameter"),
            ({"names": "a", "last": "1e1"}, "last", "invalid_parameter"),
            ({"names": "a", "last": [1]}, "last", "invalid_parameter"),
            ({"names": "a", "kind": "weekly"}, "kind", "invalid_parameter"),
            ({"names": "a", "from": "long"}, "from", "invalid_parameter"),
            ({"names": "a", "from_": "x"}, "from_", "unknown_parameter"),
            ({"names": "a", "as_of": 20240101}, "as_of", "invalid_parameter"),
            ({"names": "a", "from": "\x00"}, "from", "invalid_parameter"),
            ({"names": ["a", "b\x00"]}, "names", "invalid_parameter"),
            ({"names": "a", "min_position": "command-3"}, "min_position", "invalid_parameter"),
            ({"names": "a", "min_position": -1}, "min_position", "invalid_parameter"),
            ({"names": "a", "min_position": True}, "min_position", "invalid_parameter"),
            ({"names": "a", "min_position": "9" * 19}, "min_position", "invalid_parameter"),
        ],
    )
    def test_that_do_not_fit_are_named_with_a_repair(self, given: dict[str, Any], pointer: str, code: str) -> None:
        with pytest.raises(QueryError) as refused:
            read_arguments(Asked, given)

        assert refused.value.code == code
        assert [error.pointer for error in refused.value.errors] == [pointer]
        assert all(error.reason and error.fix for error in refused.value.errors)

    def test_are_all_checked_at_once(self) -> None:
        with pytest.raises(QueryError) as refused:
            read_arguments(Asked, {"last": "x", "kind": "y", "other": "z"})

        assert {error.pointer for error in refused.value.errors} == {"names", "last", "kind", "other"}

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"last": "41"}, "it has to be at most 40"),
            ({"last": "x"}, "it is not a whole number"),
            ({"last": "9" * 39}, "it has to be at most 40"),
            ({"last": None}, "it is not a whole number"),
            ({"names": "a,b,c"}, "it has to be at most 2 values long"),
            ({"names": "abcde"}, "it has to be at most 4 characters long"),
            ({"kind": "weekly"}, "'weekly' is none of its values"),
            ({"code": "99999"}, r"it has not the form ^\d{4}$"),
        ],
    )
    def test_say_why_in_plain_words(self, given: dict[str, Any], reason: str) -> None:
        with pytest.raises(QueryError) as refused:
            read_arguments(Asked, {"names": "a"} | given)

        assert [error.reason for error in refused.value.errors] == [reason]


class TestAsOf:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2023-12-31", datetime(2024, 1, 1, 5, tzinfo=UTC)),
            ("2023-07-01", datetime(2023, 7, 2, 4, tzinfo=UTC)),
            ("2023-11-02T22:08:27Z", datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)),
            ("2023-11-02T18:08:27-04:00", datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)),
            ("2023-11-03T00:08:27 02:00", datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)),
        ],
    )
    def test_is_the_end_of_a_day_in_new_york_or_an_instant(self, text: str, instant: datetime) -> None:
        assert read_as_of(text) == instant

    @pytest.mark.parametrize(
        "text", ["", "2023", "2023-13-01", "2023-11-02T22:08:27", "9999-12-31", "0001-01-01T00:00:00+14:00"]
    )
    def test_is_nothing_else(self, text: str) -> None:
        with pytest.raises(ValueError, match="neither a date nor an instant"):
            read_as_of(text)
