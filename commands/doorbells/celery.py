"""A doorbell that wakes Celery workers."""

from collections.abc import Sequence
from typing import Any

import celery
import kombu.exceptions

from commands.publishing import Bell, DoorbellUnreachable

TASK = "projections.catch_up"
QUEUE = "factfold"
_TRY_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
"""The publisher comes again by itself; waiting here would hold its transaction open."""


class CeleryDoorbell:
    """
    One task for each bell, sent by name: whoever rings does not know who answers.

    `app` is the Celery application; without one, the process's configured application rings.
    """

    def __init__(self, app: Any = None) -> None:
        self._app = app

    def ring(self, bells: Sequence[Bell]) -> None:
        """This will send the bells to the broker over one connection."""
        app = self._app or celery.current_app
        try:
            with app.connection(transport_options=_TRY_ONCE) as connection, app.amqp.Producer(connection) as producer:
                for bell in bells:
                    app.send_task(
                        TASK,
                        kwargs={"shard": bell.shard, "to_seq": bell.to_seq},
                        queue=QUEUE,
                        headers={"traceparent": bell.traceparent} if bell.traceparent else None,
                        producer=producer,
                        ignore_result=True,
                        retry=False,
                    )
        except (kombu.exceptions.OperationalError, OSError) as error:
            raise DoorbellUnreachable(f"the Celery broker does not answer: {error}") from error
