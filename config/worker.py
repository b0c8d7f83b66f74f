"""The loops that keep an installation moving, each on its own connection."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType
from typing import NamedTuple

import psycopg
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

import config.celery  # noqa: F401  (the doorbell rings through the application configured there)
from commands.doorbells.choice import chosen_doorbell
from commands.doorbells.sqs import queue_depths, sqs_client
from commands.event_log.sequence import sequence_pending
from commands.publishing import DoorbellUnreachable, publish_pending
from config.env import Settings
from config.ready import announce_ready
from config.worker_metrics import Lookout, listening
from projections.memory import expect_many_plain_objects
from projections.sweeper import Pace, sweep

logger = logging.getLogger(__name__)

_RECONNECT_SECONDS = 1.0
_UNREACHABLE = (psycopg.OperationalError, DoorbellUnreachable, RedisConnectionError, RedisTimeoutError)


class Pauses(NamedTuple):
    """How long a loop waits between two steps of one kind: at first, and at most; each wait doubles the next."""

    shortest_ms: float
    longest_ms: float

    def after(self, waited_seconds: float) -> float:
        """This will give the wait in seconds that follows one of `waited_seconds` (0 for the first)."""
        return min(max(waited_seconds * 2, self.shortest_ms / 1000), self.longest_ms / 1000)


AT_ONCE = Pauses(0, 0)


class Loop:
    """
    One step, done again and again on a connection of its own until `stopping` is set.

    `idle` are the waits after steps that found nothing to do, `busy` after those that did. A step that did something
    makes work for the loop `then`, whose idle wait it ends. A server out of reach is waited for; any other error ends
    the process, which its supervisor restarts.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[psycopg.Connection], int],
        *,
        idle: Pauses,
        busy: Pauses = AT_ONCE,
        then: "Loop | None" = None,
    ) -> None:
        self.name = name
        self._step = step
        self._pauses = {False: idle, True: busy}
        self._then = then
        self._woken = threading.Event()

    def wake(self) -> None:
        """This will end the loop's idle wait, or else spare it the next one."""
        self._woken.set()

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
        worked_before = False
        waited = 0.0
        while not stopping.is_set():
            worked = bool(self._step(connection))
            if worked and self._then is not None:
                self._then.wake()
            waited = self._pauses[worked].after(waited if worked is worked_before else 0)
            worked_before = worked
            (stopping if worked else self._woken).wait(waited)
            self._woken.clear()


def run_worker(settings: Settings) -> None:
    """This will run all loops until SIGTERM or Ctrl-C; the step under way is finished first."""
    expect_many_plain_objects()
    stopping = threading.Event()
    failures: list[str] = []
    running = loops(settings)

    def stop() -> None:
        stopping.set()
        for loop in running:
            loop.wake()

    def guarded(loop: Loop) -> None:
        try:
            loop.run(database_url=settings.database_url, stopping=stopping)
        except Exception:
            logger.exception("%s failed", loop.name)
            failures.append(loop.name)
        finally:
            stop()

    def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    threads = [threading.Thread(target=guarded, args=[loop], name=loop.name) for loop in running]
    with _showing_metrics(settings):
        for thread in threads:
            thread.start()
        announce_ready()
        for thread in threads:
            thread.join()
    if failures:
        raise SystemExit(f"{', '.join(failures)} failed; the log above says why")


def _showing_metrics(settings: Settings) -> AbstractContextManager[object]:
    if not settings.worker_metrics_port:
        return nullcontext()
    depths = None
    if settings.sqs_queue_url:
        client = sqs_client(region=settings.aws_region, endpoint_url=settings.aws_endpoint_url)
        depths = partial(queue_depths, client, queue_url=settings.sqs_queue_url)
    lookout = Lookout(settings, queue_depths=depths)
    return listening(lookout, host=settings.worker_metrics_host, port=settings.worker_metrics_port)


def loops(settings: Settings) -> Sequence[Loop]:
    """This will give the loops of one worker process."""
    doorbell = chosen_doorbell(settings)
    # Waiting for a Redis that is away would hold up the tables; the next sweep asks again.
    retry = Retry(NoBackoff(), 1)
    redis = Redis.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=5, retry=retry)
    # The first bell after quiet is rung at once; under load one bell stands for many events. Unwoken, it looks whether
    # another process has placed events and not rung.
    ring = partial(publish_pending, doorbell=doorbell)
    publisher = Loop("publisher", ring, idle=Pauses(20, 100), busy=Pauses(20, 320))
    return [
        # A few milliseconds of events are placed at once: under load each commit serves many.
        Loop("sequencer", sequence_pending, idle=Pauses(2, 8), busy=Pauses(10, 10), then=publisher),
        publisher,
        Loop("sweeper", partial(sweep, redis=redis, pace=Pace()), idle=Pauses(500, 1000), busy=Pauses(200, 200)),
    ]
