"""Who may write while readers are behind."""

import dataclasses
from collections.abc import Iterator
from itertools import count

import pytest

from commands.admission import PATIENCE_SECONDS, Admission, Backlog, BacklogTooLong, Room, is_too_long


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    backlog_events: int = 100
    backlog_seconds: int = 30


class Clock:
    """A clock that goes on when it is asked to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def backlog(events: int = 0, pending_seconds: float = 0) -> Backlog:
    return Backlog(events=events, pending_seconds=pending_seconds)


class TestBacklog:
    @pytest.mark.parametrize(
        ("seen", "limits", "too_long"),
        [
            (backlog(100, 30), Limits(), False),
            (backlog(101), Limits(), True),
            (backlog(1, 30.1), Limits(), True),
            (backlog(10**9), Limits(backlog_events=0), False),
            (backlog(1, 10**9), Limits(backlog_seconds=0), False),
        ],
    )
    def test_is_too_long_beyond_a_limit_that_is_set(self, seen: Backlog, limits: Limits, too_long: bool) -> None:
        assert is_too_long(seen, limits) is too_long

    @pytest.mark.parametrize(("events", "seconds"), [(101, 1), (5_100, 6), (10**6, 30)])
    def test_that_is_longer_asks_for_a_longer_wait(self, events: int, seconds: int) -> None:
        assert BacklogTooLong(backlog(events), limits=Limits()).retry_after_seconds == seconds


class TestAdmission:
    def test_looks_once_a_second_however_many_come(self) -> None:
        clock = Clock()
        looks = count()
        admission = Admission(lambda: backlog(next(looks)), clock=clock)

        for _ in range(50):
            admission.check(Limits())
        clock.now += 1
        admission.check(Limits())

        assert next(looks) == 2

    def test_refuses_until_a_new_look_finds_room(self) -> None:
        clock = Clock()
        seen: Iterator[Backlog] = iter([backlog(101), backlog(99)])
        admission = Admission(lambda: next(seen), clock=clock)

        with pytest.raises(BacklogTooLong) as refused:
            admission.check(Limits())
        clock.now += 1
        admission.check(Limits())

        assert refused.value.backlog.events == 101

    def test_without_limits_looks_at_nothing(self) -> None:
        admission = Admission(lambda: pytest.fail("looked"))

        admission.check(Limits(backlog_events=0, backlog_seconds=0))


class TestRoom:
    def test_is_waited_for_while_readers_come_closer(self) -> None:
        clock = Clock()
        seen = iter([backlog(events) for events in range(400, 90, -10)])
        told: list[Backlog] = []

        Room(lambda: next(seen), limits=Limits(), told=told.append, pause=clock.pause, clock=clock).wait()

        assert [one.events for one in told] == list(range(400, 100, -10))

    def test_is_taken_after_a_while_where_nobody_folds(self) -> None:
        clock = Clock()
        room = Room(lambda: backlog(500), limits=Limits(), told=lambda _: None, pause=clock.pause, clock=clock)

        room.wait()
        room.wait()

        assert room.waited_seconds == pytest.approx(2 * PATIENCE_SECONDS, abs=1)

    def test_is_not_looked_for_more_than_once_a_second(self) -> None:
        clock = Clock()
        looks = count()
        room = Room(lambda: backlog(next(looks)), limits=Limits(), told=lambda _: None, pause=clock.pause, clock=clock)

        for _ in range(20):
            room.wait()

        assert next(looks) == 1
        assert room.waited_seconds == 0
