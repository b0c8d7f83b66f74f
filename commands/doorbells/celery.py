"""A doorbell that wakes Celery workers."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import celery
import kombu.exceptions

from commands.publishing import Bell, DoorbellUnreachable
from commands.tracing import carried

TASK = "projections.catch_up"
QUEUE = "factfold"
_TRY_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
"""The publisher comes again by itself; waiting here would hold its transaction open."""
_LOST = (kombu.exceptions.OperationalError, OSError)


class CeleryDoorbell:
    """
    One task for each bell, sent by name: whoever rings does not know who answers.

    `app` is the Celery application; without one, the process's configured application rings. The connection to the
    broker is kept from one ring to the next and made anew after it was lost.
    """

    def __init__(self, app: Any = None) -> None:
        self._app = app
        self._connection: Any = None
        self._producer: Any = None
        self._ringing = threading.Lock()

    def ring(self, bells: Sequence[Bell]) -> None:
        """This will send the bells to the broker over one connection."""
        with self._ringing:
            if self._connection is not None:
                try:
                    self._send(bells)
                    return
                except _LOST:
                    # Lost since it was last used: the broker may have been back for long.
                    self._forget()
            try:
                self._send(bells)
            except _LOST as error:
                self._forget()
                raise DoorbellUnreachable(f"the Celery broker does not answer: {error}") from error

    def close(self) -> None:
        """This will give the connection back."""
        with self._ringing:
            self._forget()

    def _send(self, bells: Sequence[Bell]) -> None:
        app = self._app or celery.current_app
        if self._connection is None:
            self._connection = app.connection(transport_options=_TRY_ONCE)
            self._producer = app.amqp.Producer(self._connection)
        for bell in bells:
            app.send_task(
                TASK,
                kwargs={"shard": bell.shard, "to_seq": bell.to_seq},
                queue=QUEUE,
                headers=carried(bell.origin),
                producer=self._producer,
                ignore_result=True,
                retry=False,
            )

    def _forget(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            with suppress(*_LOST):
                connection.release()
