"""Threads that bring items to a group commit."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from commands.group_commit import GroupCommit
from tests.fixtures.waiting import wait_until


class Counter:
    """Doubles numbers; each group waits, after it is taken and perhaps passed on, until it is let through."""

    def __init__(self, *, most: int = 64, at_once: int = 1) -> None:
        self.groups: list[list[int]] = []
        self.begun = 0
        self.gate = threading.Semaphore(0)
        self.commit = GroupCommit(self._carry_out, keys_of=lambda item: (item % 100,), most=most, at_once=at_once)

    def _carry_out(self, take: Callable[[], Sequence[int]], pass_on: Callable[[], None]) -> list[int]:
        items = list(take())
        self.groups.append(items)
        self.begun += 1
        pass_on()
        assert self.gate.acquire(timeout=30)
        if 13 in items:
            raise ValueError("thirteen")
        return [2 * item for item in items]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def bring_behind_a_first(counter: Counter, threads: ThreadPoolExecutor, items: Sequence[int]) -> list[Future[int]]:
    """Brings 0, and once it is under way the items, one after the other."""
    brought = [threads.submit(counter.commit.join, 0)]
    wait_until(lambda: counter.begun == 1)
    for item in items:
        brought.append(threads.submit(counter.commit.join, item))
        wait_until(lambda: len(counter.commit._queue) == len(brought) - 1)
    return brought


class TestGroupCommit:
    def test_what_comes_while_a_group_is_under_way_makes_the_next_in_its_order(
        self, threads: ThreadPoolExecutor
    ) -> None:
        counter = Counter()
        brought = bring_behind_a_first(counter, threads, [5, 3, 4])

        counter.gate.release(2)

        assert [future.result(30) for future in brought] == [0, 10, 6, 8]
        assert counter.groups == [[0], [5, 3, 4]]

    def test_a_group_has_its_bound_and_the_rest_comes_after(self, threads: ThreadPoolExecutor) -> None:
        counter = Counter(most=2)
        brought = bring_behind_a_first(counter, threads, [1, 2, 3, 4, 5])

        counter.gate.release(4)

        assert [future.result(30) for future in brought] == [0, 2, 4, 6, 8, 10]
        assert counter.groups == [[0], [1, 2], [3, 4], [5]]

    def test_a_failure_is_told_to_all_of_its_group_and_to_nobody_else(self, threads: ThreadPoolExecutor) -> None:
        counter = Counter(most=2)
        brought = bring_behind_a_first(counter, threads, [12, 13, 14])

        counter.gate.release(3)

        assert [type(future.exception(30)) for future in brought] == [type(None), ValueError, ValueError, type(None)]

    def test_a_failure_before_the_group_is_taken_leaves_nobody_waiting(self, threads: ThreadPoolExecutor) -> None:
        def fail(take: Callable[[], Sequence[int]], pass_on: Callable[[], None]) -> list[int]:
            raise ConnectionError

        commit = GroupCommit(fail, keys_of=lambda item: (item,), most=64, at_once=2)

        brought = [threads.submit(commit.join, item) for item in range(8)]

        assert {type(future.exception(30)) for future in brought} == {ConnectionError}

    def test_what_comes_once_a_group_has_passed_on_begins_beside_it_and_no_third(
        self, threads: ThreadPoolExecutor
    ) -> None:
        counter = Counter(at_once=2)
        first = threads.submit(counter.commit.join, 1)
        wait_until(lambda: counter.begun == 1)
        second = threads.submit(counter.commit.join, 2)
        wait_until(lambda: counter.begun == 2)
        third = threads.submit(counter.commit.join, 3)
        wait_until(lambda: len(counter.commit._queue) == 1)

        assert counter.groups == [[1], [2]]

        counter.gate.release(3)
        assert [future.result(30) for future in (first, second, third)] == [2, 4, 6]
        assert counter.groups == [[1], [2], [3]]

    def test_what_shares_a_key_with_a_group_under_way_is_not_begun_before_that_has_ended(
        self, threads: ThreadPoolExecutor
    ) -> None:
        counter = Counter(at_once=2)
        brought = [threads.submit(counter.commit.join, 1)]
        wait_until(lambda: counter.begun == 1)
        for queued, item in enumerate((101, 201), 1):
            brought.append(threads.submit(counter.commit.join, item))
            wait_until(lambda queued=queued: len(counter.commit._queue) == queued)  # type: ignore[misc]  # a lambda of none
        brought.append(threads.submit(counter.commit.join, 2))
        wait_until(lambda: counter.begun == 2)

        assert counter.groups == [[1], [2]]

        counter.gate.release(3)
        assert [future.result(30) for future in brought] == [2, 202, 402, 4]
        assert counter.groups == [[1], [2], [101, 201]]

    @pytest.mark.parametrize("at_once", [1, 2])
    def test_many_threads_each_get_the_outcome_of_what_they_brought(
        self, threads: ThreadPoolExecutor, at_once: int
    ) -> None:
        counter = Counter(at_once=at_once)
        counter.gate.release(100_000)
        items = [item for item in range(2000) if item != 13]

        outcomes = list(threads.map(counter.commit.join, items))

        assert outcomes == [2 * item for item in items]
        assert sorted(item for group in counter.groups for item in group) == items
