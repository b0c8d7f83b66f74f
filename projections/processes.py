"""The tasks of a rebuild, shared out among processes that end with the one that began them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

import msgspec

from commands.messages import RecordedEvent
from projections.parking import EventUnfoldable

APPLICATION_NAME = "factfold rebuild"
"""What the connections of a rebuild are called on the server."""

_TOLD_EVERY_SECONDS = 1.0


class Work[T](Protocol):
    """Does one task, and says again and again that it is at it. Other processes find it by its name."""

    def __call__(self, task: T, *, told: Callable[[], None]) -> None: ...


class ProcessEnded(Exception):
    """A process ended before its tasks were done; what it printed says why. What it committed stands."""


def do_tasks[T](tasks: Sequence[T], work: Work[T], *, processes: int, told: Callable[[], None]) -> None:
    """
    This will do the tasks, the first ones first, in so many processes, and call `told` again and again meanwhile.

    Raises:
        EventUnfoldable: the first event found that cannot be folded.
        ProcessEnded: a process was killed, or failed in another way.
    """
    count = min(processes, len(tasks))
    if count <= 1:
        for task in tasks:
            work(task, told=told)
        return
    context = multiprocessing.get_context("spawn")
    started: list[tuple[Any, Connection]] = []
    try:
        for number in range(count):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_do, args=(tasks[number::count], work, sender), daemon=True)
            process.start()
            sender.close()
            started.append((process, receiver))
        running = dict(started)
        while running:
            wait([process.sentinel for process in running], timeout=_TOLD_EVERY_SECONDS)
            told()
            for process in [process for process in running if process.exitcode is not None]:
                _end(process, running.pop(process))
    finally:
        for process, _ in started:
            process.terminate()
        for process, _ in started:
            process.join()


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An `EventUnfoldable` on its way from one process to another."""

    event: RecordedEvent
    error: str


def _do[T](tasks: Sequence[T], work: Work[T], failures: Connection) -> None:
    # Ctrl-C reaches every process of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for task in tasks:
        try:
            work(task, told=lambda: None)
        except EventUnfoldable as failed:
            failures.send(_Failure(event=failed.event, error=failed.error))
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(process: Any, failures: Connection) -> None:
    if failures.poll():
        try:
            failure: _Failure = failures.recv()
        except EOFError:
            pass
        else:
            raise EventUnfoldable(event=failure.event, error=failure.error)
    if process.exitcode != 0:
        raise ProcessEnded(f"a process of the rebuild ended with {process.exitcode}; run it again to go on")
