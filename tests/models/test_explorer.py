"""The explorer finds what is there to be found, and by the shortest way."""

from collections.abc import Iterator

import pytest

from tests.models.explorer import CounterExample, Step, explore

type Counters = tuple[int, int | None, int | None]
"""A number two processes add 1 to, and what each of them has read of it."""


START: Counters = (0, None, None)


def lost_update(state: Counters) -> Iterator[Step[Counters]]:
    total, first, second = state
    if first is None:
        yield Step("first reads", (total, total, second))
    elif first >= 0:
        yield Step("first writes", (first + 1, -1, second))
    if second is None:
        yield Step("second reads", (total, first, total))
    elif second >= 0:
        yield Step("second writes", (second + 1, first, -1))


class TestExplore:
    def test_visits_every_state_once(self) -> None:
        found = explore(START, lost_update, always=lambda state: True, at_rest=lambda state: True)

        assert (found.states, found.ends) == (12, 2)

    def test_reports_a_shortest_schedule_that_breaks_a_rule(self) -> None:
        with pytest.raises(CounterExample) as found:
            explore(START, lost_update, always=lambda state: True, at_rest=lambda state: state[0] == 2)

        assert [line.strip() for line in str(found.value).splitlines()[:4]] == [
            "1. first reads",
            "2. second reads",
            "3. first writes",
            "4. second writes",
        ]

    def test_stops_where_a_rule_is_broken_on_the_way(self) -> None:
        with pytest.raises(CounterExample, match="is never allowed"):
            explore(START, lost_update, always=lambda state: state[0] < 1, at_rest=lambda state: True)
