"""How a worker's loops pace themselves."""

import pytest

from config.worker import AT_ONCE, Pauses


class TestPauses:
    def test_double_from_the_shortest_to_the_longest(self) -> None:
        idle = Pauses(2, 20)
        waits = [0.0]

        for _ in range(6):
            waits.append(idle.after(waits[-1]))

        assert waits[1:] == pytest.approx([0.002, 0.004, 0.008, 0.016, 0.02, 0.02])

    def test_are_none_where_work_is_done_at_once(self) -> None:
        assert AT_ONCE.after(0) == 0
        assert AT_ONCE.after(1) == 0
