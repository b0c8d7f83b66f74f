"""The doors of a soak run: what each rings with and who answers it, as an installation runs them."""

import dataclasses
import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from django.conf import settings
from django.core.management import call_command

import config.celery
from commands.doorbells.celery import QUEUE
from commands.doorbells.sqs import sqs_client
from config.embedded.sqs import REGION, EmulatedSqs
from config.soak.function import Environment, environ_of, map_queue, run_function
from config.soak.relay import CeleryLine, Line, SqsLine, patient

type DoorName = Literal["celery", "celery-sqs", "sqs", "lambda"]

LISTENERS = 2
_VISIBILITY_SECONDS = 2
_FUNCTION_SECONDS = 6.0
_DOORBELLS = {"celery-sqs": "celery-sqs", "sqs": "sqs", "lambda": "sqs"}
_CELERY = (
    *("worker", "--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"),
    *("--loglevel", "WARNING"),
)


class Door:
    """
    One door of four. `parts` are its processes by name; those before the listeners have to be there before them.

    A process that takes a part calls `enter` first: from then on its settings are those of this door.
    """

    def __init__(self, name: DoorName, *, queue: EmulatedSqs | None) -> None:
        self.name = name
        self._queue = queue
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(LISTENERS * (name == "lambda"))]
        self.parts = self._parts()

    def enter(self) -> None:
        """This will make the settings of this process, which has been forked for a part, those of the door."""
        # The worker rings on one queue; who answers hears the other.
        self._speak_on(SqsLine.RUNG)

    def line(self) -> Line:
        """This will give the way between worker and listeners."""
        if self._queue is None or self.name == "celery":
            return CeleryLine(patient(settings.FACTFOLD.redis_url))
        queue = self._queue
        return SqsLine(self._client(), rung=queue.queue_url(SqsLine.RUNG), heard=queue.queue_url(SqsLine.HEARD))

    def make_queues(self) -> None:
        """This will make the queues that are not there, as after their server has been killed."""
        if self._queue is not None and self.name != "celery":
            attributes = {"VisibilityTimeout": str(_VISIBILITY_SECONDS)}
            for name in (SqsLine.RUNG, SqsLine.HEARD):
                self._client().create_queue(QueueName=name, Attributes=attributes)

    def close(self) -> None:
        """This will give the sockets back."""
        for listening in self._sockets:
            listening.close()

    def _speak_on(self, queue: str) -> None:
        changed = {"doorbell": "celery"}
        if self._queue is not None and self.name != "celery":
            changed = {"doorbell": _DOORBELLS[self.name], "sqs_queue_url": self._queue.queue_url(queue)}
            changed |= {"aws_region": REGION, "aws_endpoint_url": self._queue.url}
        settings.FACTFOLD = dataclasses.replace(settings.FACTFOLD, **changed)
        config.celery.app.conf.update(config.celery.broker_of(settings.FACTFOLD))

    def _client(self) -> Any:
        assert self._queue is not None
        return sqs_client(region=REGION, endpoint_url=self._queue.url)

    def _parts(self) -> Mapping[str, Callable[[], object]]:
        listeners: dict[DoorName, Callable[[int], Callable[[], object]]] = {
            "celery": lambda number: partial(_run_celery, CeleryLine.HEARD),
            "celery-sqs": lambda number: self._run_celery_on_sqs,
            "sqs": lambda number: self._run_poller,
            "lambda": lambda number: partial(self._run_function, number),
        }
        before = {"mapping": self._run_mapping} if self.name == "lambda" else {}
        return {**before, **{f"listener {number}": listeners[self.name](number) for number in range(LISTENERS)}}

    def _run_poller(self) -> None:
        self._speak_on(SqsLine.HEARD)
        call_command("poller")

    def _run_celery_on_sqs(self) -> None:
        self._speak_on(SqsLine.HEARD)
        config.celery.app.conf.broker_transport_options["wait_time_seconds"] = _VISIBILITY_SECONDS // 2
        _run_celery(QUEUE)

    def _run_function(self, number: int) -> None:
        os.environ |= environ_of(self._sockets[number])
        for listening in self._sockets:
            listening.close()
        run_function()

    def _run_mapping(self) -> None:
        assert self._queue is not None
        map_queue(
            self._client(),
            queue_url=self._queue.queue_url(SqsLine.HEARD),
            environments=[(Environment(timeout_seconds=_FUNCTION_SECONDS), one) for one in self._sockets],
            patience_seconds=_FUNCTION_SECONDS,
        )


def _run_celery(queue: str) -> None:
    config.celery.app.worker_main([*_CELERY, "--queues", queue])
