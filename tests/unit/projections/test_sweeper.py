"""How a sweeper paces its refreshes."""

import pytest

from projections.sweeper import MANY_WAITING, PATIENCE_SECONDS, Pace


class Watch:
    """A clock that is set by hand."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


class TestPace:
    @pytest.mark.parametrize("waiting", [0, 1, MANY_WAITING - 1])
    def test_allows_every_refresh_while_few_events_wait(self, watch: Watch, waiting: int) -> None:
        pace = Pace(watch)

        allowed = [pace.allows(waiting=waiting) for _ in range(3)]

        assert allowed == [True, True, True]

    @pytest.mark.parametrize(("takes", "then_waits"), [(1, PATIENCE_SECONDS), (60, 60)])
    def test_has_the_next_refresh_of_a_load_wait_again(self, watch: Watch, takes: float, then_waits: float) -> None:
        pace = Pace(watch)
        begun = []

        for _ in range(200):
            if pace.allows(waiting=MANY_WAITING):
                begun.append(watch.seconds - 1_000)
                watch.seconds += takes
                pace.refreshed(begun=watch.seconds - takes)
            watch.seconds += 1

        assert begun[:2] == [PATIENCE_SECONDS, PATIENCE_SECONDS + takes + then_waits]

    def test_allows_it_at_once_when_the_load_is_over(self, watch: Watch) -> None:
        pace = Pace(watch)
        pace.allows(waiting=MANY_WAITING)

        assert pace.allows(waiting=0)
        assert not pace.allows(waiting=MANY_WAITING)
