"""A worker's own small listener, for Prometheus and for a liveness probe."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
from redis import Redis

from commands.doorbells.depth import QueueDepth
from commands.publishing import DoorbellUnreachable
from config.env import Settings
from config.measures import CONTENT_TYPE, exposition
from config.observation import CACHE_SECONDS, REDIS_SECONDS, Observation, RedisSigns, connection_options, observe

logger = logging.getLogger(__name__)

QUEUE_CACHE_SECONDS = 10.0
"""SQS counts approximately and charges for each question."""


class Lookout:
    """Looks at the installation at most once a second, and at the queue every ten, whoever asks."""

    def __init__(self, settings: Settings, *, queue_depths: Callable[[], Sequence[QueueDepth]] | None = None) -> None:
        self._database_url = settings.database_url
        self._redis = Redis.from_url(
            settings.redis_url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        )
        self._queue_depths = queue_depths
        self._connection: psycopg.Connection | None = None
        self._looking = threading.Lock()
        self._seen: Observation | None = None
        self._seen_at = 0.0
        self._queues: Sequence[QueueDepth] = ()
        self._queues_seen_at = -QUEUE_CACHE_SECONDS

    def look(self) -> Observation:
        """This will tell how the installation stands, or stood less than a second ago."""
        with self._looking:
            if self._seen is None or time.monotonic() - self._seen_at >= CACHE_SECONDS:
                self._seen = self._observe()
                self._seen_at = time.monotonic()
            return self._seen

    def close(self) -> None:
        """This will give the connections back."""
        self._redis.close()
        if self._connection is not None:
            self._connection.close()

    def _observe(self) -> Observation:
        queues = self._look_at_queues()
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    self._database_url,
                    **connection_options(),  # type: ignore[arg-type]  # a mapping of mixed options
                )
            return observe(self._connection, self._redis, queues=queues)
        except psycopg.Error as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return Observation(signs=None, redis=RedisSigns(reachable=False), failure=str(error).strip(), queues=queues)

    def _look_at_queues(self) -> Sequence[QueueDepth]:
        if self._queue_depths is None or time.monotonic() - self._queues_seen_at < QUEUE_CACHE_SECONDS:
            return self._queues
        try:
            self._queues = self._queue_depths()
        except DoorbellUnreachable as error:
            logger.warning("the queue cannot be counted: %s", error)
            self._queues = ()
        self._queues_seen_at = time.monotonic()
        return self._queues


@contextmanager
def listening(lookout: Lookout, *, host: str, port: int) -> Iterator[int]:
    """This will answer `/prometheus` and `/livez` in threads of its own during the block, and give the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/prometheus":
                self._answer(200, CONTENT_TYPE, exposition(lookout.look()))
            elif path == "/livez":
                self._answer(200, "application/json", b'{"status":"alive"}')
            else:
                self._answer(404, "text/plain", b"/prometheus and /livez are answered here\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
            """Says nothing: a scrape is no news."""

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer((host, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
            lookout.close()
