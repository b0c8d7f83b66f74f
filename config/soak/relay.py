"""Stands between the broker and who listens: bells get lost, doubled, late and out of order on the way."""

import heapq
import itertools
import time
from random import Random

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.soak.board import Board

RUNG = "{ff-celery}:factfold"
"""The list in which the Celery doorbell leaves its messages."""
HEARD = "{ff-soak}:heard"

_DROPPED, _DOUBLED, _DELAYED = 0.2, 0.15, 0.3
_LATEST_SECONDS = 0.5
_PAUSE_SECONDS = 0.02


def patient(redis_url: str) -> Redis:
    """A client that leaves waiting for a Redis that is away to its user."""
    return Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5, retry=Retry(NoBackoff(), 0))


def relay(*, board: Board, redis_url: str, seed: str) -> None:
    """This will pass bells on, badly."""
    random = Random(f"{seed} relay {board['bells']}")  # noqa: S311 (a schedule, not a secret)
    order = itertools.count()
    late: list[tuple[float, int, bytes]] = []
    redis = patient(redis_url)
    while True:
        try:
            taken: list[bytes] | None = redis.rpop(RUNG, 50)  # type: ignore[assignment]  # the client is also async
            for message in taken or ():
                for due in _fates(board, random):
                    heapq.heappush(late, (due, next(order), message))
            while late and late[0][0] <= time.monotonic():
                redis.lpush(HEARD, heapq.heappop(late)[2])
        except RedisError:
            pass
        time.sleep(_PAUSE_SECONDS)


def _fates(board: Board, random: Random) -> list[float]:
    """When each copy of a message is passed on."""
    board.add("bells")
    if random.random() < _DROPPED:
        board.add("dropped")
        return []
    copies = 1
    if random.random() < _DOUBLED:
        board.add("doubled")
        copies = 2
    due = [time.monotonic()] * copies
    if random.random() < _DELAYED:
        board.add("delayed")
        due[-1] += random.random() * _LATEST_SECONDS
    return due
