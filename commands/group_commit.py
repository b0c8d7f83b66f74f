"""
Commands that arrive at the same time share a transaction.

# Note [group commit]

Most of what a command costs is the transaction around it: statements, round trips, a flush to disk. While one group of
this process asks and decides, commands that arrive are kept; when it has only to wait until all is written and flushed,
the next takes what was kept, on a connection of its own. Nobody waits for company: a command that finds nothing under
way goes at once, alone. The thread of the first command kept leads the next group, so there is no thread to start,
stop or lose. Commands of a stream, or with a key, that a group under way is writing stay in the queue until it has
ended: they would find the stream locked, or decide on what is about to change. Nobody is answered before his group's
commit.

Sharing must not show. A request that would have to wait for a lock, or that breaks the transaction, is left out and
carried out by its own thread on a connection of its own, as if it had come alone (`dispatch_together`).
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from datetime import UTC, datetime
from functools import cache

from commands.catalog import COMMANDS
from commands.connections import waiting_connection, write_connection
from commands.dispatch import Accepted, dispatch
from commands.errors import CommandError
from commands.messages import Command
from commands.together import dispatch_together
from commands.tracing import continued, current_meta
from commands.working_set import Request, stream_of

MOST_COMMANDS = 64
AT_ONCE = 2
"""Groups: one asks and decides while the one before it is being written and flushed."""
MOST_BYTES = 128 * 1024
"""Longer commands go alone: they would keep the others waiting, and a transaction is little of their cost."""


class _Place[Item, Outcome]:
    """One item's place in the queue; its thread sleeps until it has been carried out, or is to lead."""

    def __init__(self, item: Item, keys: Collection[Hashable]) -> None:
        self.item = item
        self.keys = keys
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
    Carries out what threads bring, in groups: all that was brought while the group before was being decided.

    `carry_out` is given what takes the group, at most `most` items in the order they were brought, and what lets the
    next group begin beside it: to be called when only waiting is left. It returns an outcome for each item; what it
    raises is raised to all who brought them. At most `at_once` groups are under way, and no two with a key in common:
    what shares one with a group under way stays in the queue until that has ended.
    """

    def __init__(
        self,
        carry_out: Callable[[Callable[[], Sequence[Item]], Callable[[], None]], Sequence[Outcome]],
        *,
        keys_of: Callable[[Item], Collection[Hashable]],
        most: int,
        at_once: int,
    ) -> None:
        self._carry_out = carry_out
        self._keys_of = keys_of
        self._most = most
        self._at_once = at_once
        self._lock = threading.Lock()
        self._queue: deque[_Place[Item, Outcome]] = deque()
        self._under_way: set[Hashable] = set()
        self._groups = 0
        self._is_forming = False

    def join(self, item: Item) -> Outcome:
        """This will return the item's outcome once its group has been carried out."""
        place = _Place[Item, Outcome](item, self._keys_of(item))
        with self._lock:
            self._queue.append(place)
            leader = self._elect()
        if leader is not place:
            place.sleep()
        if not place.is_done:
            self._lead(place)
        if place.failure is not None:
            raise place.failure
        return place.outcome  # type: ignore[return-value]  # who is done and has no failure has an outcome

    def _lead(self, leader: _Place[Item, Outcome]) -> None:
        """This will carry out a group with the leader's item first, and pass the lead on."""
        group = [leader]
        is_taken = has_passed_on = False

        def take() -> list[Item]:
            nonlocal is_taken
            is_taken = True
            self._let_others_come()
            with self._lock:
                self._join_queued(group)
            return [place.item for place in group]

        def pass_on() -> None:
            nonlocal has_passed_on
            has_passed_on = True
            with self._lock:
                self._is_forming = False
                following = self._elect()
            if following is not None:
                following.wake()

        try:
            for place, outcome in zip(group, self._carry_out(take, pass_on), strict=True):
                place.outcome = outcome
        except BaseException as failure:
            if not is_taken:
                take()
            for place in group:
                place.failure = failure
        for place in group:
            place.is_done = True
        with self._lock:
            self._groups -= 1
            for place in group:
                self._under_way.difference_update(place.keys)
            if not has_passed_on:
                self._is_forming = False
            following = self._elect()
        if following is not None:
            following.wake()
        for place in group[1:]:
            place.wake()

    def _let_others_come(self) -> None:
        # Threads that are ready to run, most of them just answered, get the interpreter; nobody is waited for.
        known = -1
        while known != (known := len(self._queue)):
            time.sleep(0)

    def _elect(self) -> _Place[Item, Outcome] | None:
        """This will take out of the queue who leads the next group, where one may begin now."""
        if self._is_forming or self._groups == self._at_once:
            return None
        for place in self._queue:
            if self._under_way.isdisjoint(place.keys):
                self._queue.remove(place)
                self._under_way.update(place.keys)
                self._is_forming = True
                self._groups += 1
                return place
        return None

    def _join_queued(self, group: list[_Place[Item, Outcome]]) -> None:
        own = set(group[0].keys)
        others = self._under_way - own
        left: list[_Place[Item, Outcome]] = []
        while self._queue and len(group) < self._most:
            place = self._queue.popleft()
            if others.isdisjoint(place.keys):
                group.append(place)
                self._under_way.update(place.keys)
            else:
                left.append(place)
        self._queue.extendleft(reversed(left))


class JointDispatch:
    """The way in for requests of one process that come at the same time; use one for each database."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._groups = GroupCommit(self._together, keys_of=_keys_of, most=MOST_COMMANDS, at_once=AT_ONCE)

    def dispatch(
        self, command: Command, *, size: int, idempotency_key: str | None = None, expected_version: int | None = None
    ) -> Accepted:
        """
        This will carry out a command of `size` bytes as `dispatch` does, perhaps together with others.

        Raises:
            CommandError: the command was refused and had no effect.
            psycopg.errors.LockNotAvailable: somebody else was writing to its stream for too long.
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
        with waiting_connection(self._database_url) as connection:
            return dispatch(
                connection,
                command,
                idempotency_key=idempotency_key,
                expected_version=expected_version,
                now=datetime.now(UTC),
            )

    def _together(
        self, take: Callable[[], Sequence[Request]], pass_on: Callable[[], None]
    ) -> list[Accepted | CommandError | None]:
        with write_connection(self._database_url) as connection:
            return dispatch_together(connection, take, now=lambda: datetime.now(UTC), before_writing=pass_on)


def _keys_of(request: Request) -> tuple[str, ...]:
    stream = stream_of(request.command.cik)
    return (stream,) if request.idempotency_key is None else (stream, f"key {request.idempotency_key}")


@cache
def joint_dispatch(database_url: str) -> JointDispatch:
    """This will make a process's way in to a database, once."""
    return JointDispatch(database_url)
