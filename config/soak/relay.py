"""Stands between the queue and who listens: bells get lost, doubled, late and out of order on the way."""

import heapq
import itertools
import time
from collections.abc import Sequence
from itertools import batched
from random import Random
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.soak.board import Board

UNREACHABLE = (RedisError, BotoCoreError, ClientError)
"""What a line raises while its queue is away."""

_DROPPED, _DOUBLED, _DELAYED = 0.2, 0.15, 0.3
_LATEST_SECONDS = 0.5
_PAUSE_SECONDS = 0.02
_MOST_AT_ONCE = 10


class Line(Protocol):
    """Two queues: one into which doorbells ring, one on which the door hears what is passed on."""

    def take(self) -> Sequence[Any]:
        """This will take what was rung."""

    def pass_on(self, messages: Sequence[Any]) -> None:
        """This will let the door hear messages."""

    def unheard(self) -> int:
        """This will count what the door has not taken yet."""

    def purge(self) -> None:
        """This will throw away whatever lies in either queue."""


class CeleryLine:
    """The lists in which Celery keeps the messages of two queues."""

    RUNG, HEARD = "factfold", "heard"

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def take(self) -> Sequence[Any]:
        """This will take what was rung."""
        taken: Any = self._redis.rpop(self._list(self.RUNG), 5 * _MOST_AT_ONCE)
        return taken or ()

    def pass_on(self, messages: Sequence[Any]) -> None:
        """This will let the Celery worker of the other queue hear messages."""
        self._redis.lpush(self._list(self.HEARD), *messages)

    def unheard(self) -> int:
        """This will count what no Celery worker has taken yet."""
        count: Any = self._redis.llen(self._list(self.HEARD))
        return int(count)

    def purge(self) -> None:
        """This will throw away whatever lies in either queue."""
        self._redis.delete(self._list(self.RUNG), self._list(self.HEARD))

    def _list(self, queue: str) -> str:
        return f"{{ff-celery}}:{queue}"


class SqsLine:
    """Two standard queues."""

    RUNG, HEARD = "bells-rung", "bells-heard"

    def __init__(self, client: Any, *, rung: str, heard: str) -> None:
        self._client = client
        self._rung, self._heard = rung, heard

    def take(self) -> Sequence[Any]:
        """This will take what was rung; who is killed over it hears it again."""
        found = self._client.receive_message(QueueUrl=self._rung, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        messages: Sequence[Any] = found.get("Messages", ())
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)]
            self._client.delete_message_batch(QueueUrl=self._rung, Entries=entries)
        return messages

    def pass_on(self, messages: Sequence[Any]) -> None:
        """This will let the poller or the function hear messages."""
        for batch in batched(messages, _MOST_AT_ONCE):
            entries = [{"Id": str(n), "MessageBody": message["Body"]} for n, message in enumerate(batch)]
            self._client.send_message_batch(QueueUrl=self._heard, Entries=entries)

    def unheard(self) -> int:
        """This will count what nobody has received."""
        name = "ApproximateNumberOfMessages"
        answer = self._client.get_queue_attributes(QueueUrl=self._heard, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def purge(self) -> None:
        """This will throw away whatever lies in either queue."""
        for queue in (self._rung, self._heard):
            self._client.purge_queue(QueueUrl=queue)


def patient(redis_url: str) -> Redis:
    """A client that leaves waiting for a Redis that is away to its user."""
    return Redis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5, retry=Retry(NoBackoff(), 0))


def relay(line: Line, *, board: Board, seed: str) -> None:
    """This will pass bells on, badly."""
    random = Random(f"{seed} relay {board['bells']}")  # noqa: S311 (a schedule, not a secret)
    order = itertools.count()
    late: list[tuple[float, int, Any]] = []
    while True:
        try:
            for message in line.take():
                for due in _fates(board, random):
                    heapq.heappush(late, (due, next(order), message))
            now = time.monotonic()
            while ready := [heapq.heappop(late)[2] for _ in range(_MOST_AT_ONCE) if late and late[0][0] <= now]:
                line.pass_on(ready)
        except UNREACHABLE:
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
