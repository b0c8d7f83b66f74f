"""The loops that keep an installation moving, each on its own connection."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType

import psycopg
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from commands.event_log.sequence import sequence_pending
from config.env import Settings
from config.ready import announce_ready
from projections.sweeper import sweep

logger = logging.getLogger(__name__)

_RECONNECT_SECONDS = 1.0
_UNREACHABLE = (psycopg.OperationalError, RedisConnectionError, RedisTimeoutError)


class Loop:
    """
    One step, done again and again on a connection of its own until `stopping` is set.

    After a step that found work the next follows soon, after idle ones later and later, between `shortest_ms` and
    `longest_ms`. A server out of reach is waited for; any other error ends the process, which its supervisor restarts.
    """

    def __init__(
        self, name: str, step: Callable[[psycopg.Connection], int], *, shortest_ms: float, longest_ms: float
    ) -> None:
        self.name = name
        self._step = step
        self._shortest_seconds = shortest_ms / 1000
        self._longest_seconds = longest_ms / 1000

    def run(self, *, database_url: str, stopping: threading.Event) -> None:
        """This will run the loop in the calling thread."""
        while not stopping.is_set():
            try:
                with psycopg.connect(database_url, autocommit=True, application_name=self.name) as connection:
                    self._run_connected(connection, stopping)
            except _UNREACHABLE as error:
                logger.warning("%s: a server is out of reach, trying again: %s", self.name, str(error).strip())
                stopping.wait(_RECONNECT_SECONDS)

    def _run_connected(self, connection: psycopg.Connection, stopping: threading.Event) -> None:
        pause = self._shortest_seconds
        while not stopping.is_set():
            if self._step(connection):
                pause = self._shortest_seconds
            else:
                stopping.wait(pause)
                pause = min(pause * 2, self._longest_seconds)


def run_worker(settings: Settings) -> None:
    """This will run all loops until SIGTERM or Ctrl-C; the step under way is finished first."""
    stopping = threading.Event()
    failures: list[str] = []

    def guarded(loop: Loop) -> None:
        try:
            loop.run(database_url=settings.database_url, stopping=stopping)
        except Exception:
            logger.exception("%s failed", loop.name)
            failures.append(loop.name)
        finally:
            stopping.set()

    def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    threads = [threading.Thread(target=guarded, args=[loop], name=loop.name) for loop in loops(settings)]
    for thread in threads:
        thread.start()
    announce_ready()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"{', '.join(failures)} failed; the log above says why")


def loops(settings: Settings) -> Sequence[Loop]:
    """This will give the loops of one worker process."""
    redis = Redis.from_url(settings.redis_url)
    return [
        Loop("sequencer", sequence_pending, shortest_ms=2, longest_ms=20),
        Loop("sweeper", partial(sweep, redis=redis), shortest_ms=500, longest_ms=1000),
    ]
