"""A reader of a soak run: follows the log and Redis all the while, and notes whatever it must never see."""

import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from redis import Redis
from redis.exceptions import RedisError

from commands.event_log.read import read_log
from config.soak.board import Board
from config.soak.relay import patient
from projections.redis_views import EPOCH_KEY, meta_key, seq_key

_PAUSE_SECONDS = 0.01


def watch(*, board: Board, database_url: str, redis_url: str, findings: Path) -> None:
    """This will read on for ever. What is once seen has to stay: this process is never killed."""
    log = LogReader(findings)
    figures = FiguresReader(findings)
    redis = patient(redis_url)
    connection: psycopg.Connection | None = None
    while True:
        try:
            if connection is None or connection.closed:
                connection = psycopg.connect(database_url, autocommit=True, connect_timeout=5)
            board.add("events seen", log.read_on(connection))
        except psycopg.OperationalError:
            connection = None
        try:
            board.add("looks at Redis", figures.look(redis))
        except RedisError:
            pass
        time.sleep(_PAUSE_SECONDS)


class LogReader:
    """Positions come without a gap, and with each stream's versions in order, however the log grows."""

    def __init__(self, findings: Path) -> None:
        self._findings = findings
        self._position = 0
        self._versions: dict[str, int] = defaultdict(int)

    def read_on(self, connection: psycopg.Connection) -> int:
        """This will read what the log has grown by, and count it."""
        events = read_log(connection, after=self._position, max_events=500)
        for event in events:
            if event.position != self._position + 1:
                _note(self._findings, f"position {event.position} was read after {self._position}")
            if event.version != self._versions[event.stream] + 1:
                _note(self._findings, f"version {event.version} of {event.stream} after {self._versions[event.stream]}")
            self._position = event.position
            self._versions[event.stream] = event.version
        return len(events)


class FiguresReader:
    """What Redis tells of its refresh and position never goes back within an epoch; an epoch never comes back."""

    def __init__(self, findings: Path) -> None:
        self._findings = findings
        self._epoch = 0
        self._seq = 0
        self._position = 0

    def look(self, redis: Redis) -> int:
        """This will read as readers do, and give 1 where something was served."""
        pointer: Any = redis.get(EPOCH_KEY)
        if pointer is None:
            return 0
        epoch = int(pointer)
        found: Any = redis.mget(EPOCH_KEY, seq_key(epoch), meta_key(epoch))
        if found[0] != pointer or found[1] is None or found[2] is None:
            return 0
        seq, position = int(found[1]), int(msgspec.json.decode(b"{%b}" % found[2])["position"])
        if epoch < self._epoch:
            _note(self._findings, f"epoch {epoch} came back after {self._epoch}")
        elif epoch == self._epoch and (seq < self._seq or position < self._position):
            _note(
                self._findings,
                f"epoch {epoch} went back from refresh {self._seq} at {self._position} to {seq} at {position}",
            )
        self._epoch, self._seq, self._position = epoch, seq, position
        return 1


def _note(findings: Path, text: str) -> None:
    with findings.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
