"""`manage.py poller`: answers bells from SQS where no Lambda does."""

import signal
import threading
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from commands.doorbells.sqs import sqs_client
from projections.delivery.poller import poll


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C. As many as you like may run; they share the work."""

    help = "Fold what the SQS queue's bells announce. For installations with FACTFOLD_DOORBELL=sqs and no Lambda."

    def handle(self, *args: Any, **options: Any) -> None:
        queue_url = settings.FACTFOLD.sqs_queue_url
        if not queue_url:
            raise CommandError("No queue is configured: set FACTFOLD_DOORBELL=sqs and FACTFOLD_SQS_QUEUE_URL.")
        stopping = threading.Event()

        def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
            stopping.set()

        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)
        client = sqs_client(region=settings.FACTFOLD.aws_region, endpoint_url=settings.FACTFOLD.aws_endpoint_url)
        poll(client, queue_url=queue_url, stopping=stopping)
