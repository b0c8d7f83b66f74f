"""Whether there is room for more events: what is committed must not run away from what can be read."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from commands.errors import CommandError

CACHE_SECONDS = 1.0
PATIENCE_SECONDS = 10.0
_ASSUMED_RATE = 1_000
"""Events folded in a second by a small machine; only the length of a wait depends on it."""
_LONGEST_WAIT_SECONDS = 30


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """How many committed events readers do not see yet, and how long the oldest without a position has waited."""

    events: int
    pending_seconds: float


class Limits(Protocol):
    """How long a backlog may become; 0 sets no limit. See `config.env.Settings`."""

    @property
    def backlog_events(self) -> int: ...
    @property
    def backlog_seconds(self) -> int: ...


class BacklogTooLong(CommandError):
    """Readers are too far behind; send the command again after the time in Retry-After."""

    def __init__(self, backlog: Backlog, *, limits: Limits) -> None:
        super().__init__(
            code="backlog_too_long",
            message=f"{backlog.events} committed events are not readable yet, the oldest without a position has waited"
            f" {backlog.pending_seconds:.1f} s; the limits are {limits.backlog_events or 'no'} events and"
            f" {limits.backlog_seconds or 'no'} s.",
            fix="Send the command again after the time in Retry-After, with the same Idempotency-Key.",
        )
        self.backlog = backlog
        excess = max(0, backlog.events - limits.backlog_events) if limits.backlog_events else 0
        self.retry_after_seconds = min(_LONGEST_WAIT_SECONDS, 1 + excess // _ASSUMED_RATE)


def is_too_long(backlog: Backlog, limits: Limits) -> bool:
    """This will say whether a backlog is beyond one of its limits."""
    return bool(
        (limits.backlog_events and backlog.events > limits.backlog_events)
        or (limits.backlog_seconds and backlog.pending_seconds > limits.backlog_seconds)
    )


class Admission:
    """
    Looks at the backlog at most once a second, however many commands come.

    `read` is called by one thread at a time; the others go by what was seen last.
    """

    def __init__(self, read: Callable[[], Backlog], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._looking = threading.Lock()
        self._seen: Backlog | None = None
        self._seen_at = 0.0

    def check(self, limits: Limits) -> None:
        """
        This will pass when there is room.

        Raises:
            BacklogTooLong: there is none.
        """
        if not (limits.backlog_events or limits.backlog_seconds):
            return
        backlog = self._backlog()
        if is_too_long(backlog, limits):
            raise BacklogTooLong(backlog, limits=limits)

    def _backlog(self) -> Backlog:
        seen = self._seen
        if seen is not None and self._clock() - self._seen_at < CACHE_SECONDS:
            return seen
        if not self._looking.acquire(blocking=seen is None):
            assert seen is not None  # otherwise the lock was waited for
            return seen
        try:
            if self._seen is None or self._clock() - self._seen_at >= CACHE_SECONDS:
                self._seen = self._read()
                self._seen_at = self._clock()
            return self._seen
        finally:
            self._looking.release()


class Room:
    """
    Makes a writer who can wait go at the pace of the readers.

    A writer waits while the backlog is too long and shrinks. Where nobody shrinks it, he waits `PATIENCE_SECONDS`
    before each batch: slow, but never stuck.
    """

    def __init__(
        self,
        read: Callable[[], Backlog],
        *,
        limits: Limits,
        told: Callable[[Backlog], None],
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._limits = limits
        self._told = told
        self._pause = pause
        self._clock = clock
        self._looked_at = -CACHE_SECONDS
        self.waited_seconds = 0.0

    def wait(self) -> None:
        """This will return when there is room for another batch, or when waiting has been in vain."""
        begun = since = self._clock()
        if begun - self._looked_at < CACHE_SECONDS or not (self._limits.backlog_events or self._limits.backlog_seconds):
            return
        smallest: int | None = None
        while is_too_long(backlog := self._read(), self._limits):
            if smallest is None or backlog.events < smallest:
                smallest, since = backlog.events, self._clock()
            elif self._clock() - since >= PATIENCE_SECONDS:
                break
            self._told(backlog)
            self._pause(0.2)
        else:
            self._looked_at = self._clock()
        self.waited_seconds += self._clock() - begun if smallest is not None else 0.0
