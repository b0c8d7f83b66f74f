"""
Commands that arrive at the same time share a transaction.

# Note [group commit]

Most of what a command costs is the transaction around it: statements, round trips, a flush to disk. While one
transaction of this process is under way, commands that arrive are kept; when it ends, the next one carries out all
that were kept. Nobody waits for company: a command that finds nothing under way goes at once, alone. The thread of the
first command kept leads the next transaction, so there is no thread to start, stop or lose.

Sharing must not show. A request that would have to wait for a lock, or that breaks the transaction, is left out and
carried out by its own thread on a connection of its own, as if it had come alone (`dispatch_together`).
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache

from commands.catalog import COMMANDS
from commands.connections import write_connection
from commands.dispatch import Accepted, Request, dispatch, dispatch_together
from commands.errors import CommandError
from commands.messages import Command
from commands.tracing import continued, current_meta

MOST_COMMANDS = 64
MOST_BYTES = 128 * 1024
"""Longer commands go alone: they would keep the others waiting, and a transaction is little of their cost."""


class _Place[Item, Outcome]:
    """One item's place in the queue; its thread sleeps until it has been carried out, or is to lead."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.outcome: Outcome | None = None
        self.failure: BaseException | None = None
        self.is_done = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def sleep(self) -> None:
        self._gate.acquire()

    def wake(self) -> None:
        self._gate.release()


class GroupCommit[Item, Outcome]:
    """
    Carries out what threads bring, one group at a time: all that was brought while the group before was under way.

    `carry_out` is given what takes the group: at most `most` items, in the order they were brought. It may prepare
    itself before it takes them. It returns an outcome for each; what it raises is raised to all who brought them.
    """

    def __init__(self, carry_out: Callable[[Callable[[], Sequence[Item]]], Sequence[Outcome]], *, most: int) -> None:
        self._carry_out = carry_out
        self._most = most
        self._lock = threading.Lock()
        self._queue: deque[_Place[Item, Outcome]] = deque()
        self._is_under_way = False

    def join(self, item: Item) -> Outcome:
        """This will return the item's outcome once its group has been carried out."""
        place = _Place[Item, Outcome](item)
        with self._lock:
            self._queue.append(place)
            leads, self._is_under_way = not self._is_under_way, True
        if not leads:
            place.sleep()
        if not place.is_done:
            self._lead()
        if place.failure is not None:
            raise place.failure
        return place.outcome  # type: ignore[return-value]  # who is done and has no failure has an outcome

    def _lead(self) -> None:
        """This will carry out the group at the head of the queue, the caller's item first, and pass the lead on."""
        group: list[_Place[Item, Outcome]] = []

        def take() -> list[Item]:
            with self._lock:
                group.extend(self._queue.popleft() for _ in range(min(self._most, len(self._queue))))
            return [place.item for place in group]

        try:
            for place, outcome in zip(group, self._carry_out(take), strict=True):
                place.outcome = outcome
        except BaseException as failure:
            if not group:
                take()
            for place in group:
                place.failure = failure
        for place in group:
            place.is_done = True
        with self._lock:
            following = self._queue[0] if self._queue else None
            self._is_under_way = following is not None
        if following is not None:
            following.wake()
        for place in group[1:]:
            place.wake()


class JointDispatch:
    """The way in for requests of one process that come at the same time; use one for each database."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._groups = GroupCommit(self._together, most=MOST_COMMANDS)

    def dispatch(
        self, command: Command, *, size: int, idempotency_key: str | None = None, expected_version: int | None = None
    ) -> Accepted:
        """
        This will carry out a command of `size` bytes as `dispatch` does, perhaps together with others.

        Raises:
            CommandError: the command was refused and had no effect.
        """
        if size <= MOST_BYTES:
            with continued("dispatch", attributes={"factfold.command": type(command).__name__}):
                request = Request(
                    command=COMMANDS[type(command).__name__].checked(command),
                    idempotency_key=idempotency_key,
                    expected_version=expected_version,
                    meta=current_meta(),
                )
                outcome = self._groups.join(request)
            if isinstance(outcome, CommandError):
                raise outcome
            if outcome is not None:
                return outcome
        with write_connection(self._database_url) as connection:
            return dispatch(
                connection,
                command,
                idempotency_key=idempotency_key,
                expected_version=expected_version,
                now=datetime.now(UTC),
            )

    def _together(self, take: Callable[[], Sequence[Request]]) -> list[Accepted | CommandError | None]:
        with write_connection(self._database_url) as connection:
            return dispatch_together(connection, take, now=datetime.now(UTC))


@cache
def joint_dispatch(database_url: str) -> JointDispatch:
    """This will make a process's way in to a database, once."""
    return JointDispatch(database_url)
