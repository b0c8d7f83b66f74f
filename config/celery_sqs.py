"""An SQS queue as Celery's broker."""

from typing import Any

from botocore.exceptions import ClientError
from kombu.transport import SQS, virtual

_ACKNOWLEDGES_AFTER_SECONDS = 0.05


class Transport(SQS.Transport):
    """
    Kombu's own, received from by boto3 in Celery's blocking loop.

    In the other loop kombu ends the worker at the first receive that fails, and waits for ever on a connection that has
    died (`docs/decisions/066`).
    """

    implements = virtual.Transport.implements
    connection_errors = (*SQS.Transport.connection_errors, ClientError)  # type: ignore[assignment]  # one more

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> Any:
        """This will deliver what the queue has; the loop acknowledges only between two calls."""
        return super().drain_events(connection, timeout=_ACKNOWLEDGES_AFTER_SECONDS)  # type: ignore[no-untyped-call]  # kombu's
