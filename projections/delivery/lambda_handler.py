"""The door for AWS Lambda, behind an SQS event source mapping with ReportBatchItemFailures."""

import logging
import os
import time
from typing import Any, Protocol

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from commands.cloud_events import MalformedBell, decode_bell
from commands.publishing import Bell
from projections.delivery.answering import answer, wanted_by

logger = logging.getLogger(__name__)

_SPARE_SECONDS = 2.0
"""Left for the batch under way and the answer when Lambda's own deadline is near."""


class Context(Protocol):
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """How long this invocation may still run."""


def handler(event: dict[str, Any], context: Context) -> dict[str, list[dict[str, str]]]:
    """
    This will answer the bells of a batch and report exactly those whose shard did not come as far as they said.

    A message that is no bell is reported each time, until the queue's redrive policy puts it aside.
    """
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
    bells = {record["messageId"]: _bell(record) for record in event["Records"]}
    wanted = wanted_by((bell.shard, bell.to_seq) for bell in bells.values() if bell)
    origins = [bell.origin for bell in bells.values() if bell]
    reached = answer(wanted, deadline=deadline, origins=origins) if wanted else {}
    return {
        "batchItemFailures": [
            {"itemIdentifier": message}
            for message, bell in bells.items()
            if bell is None or reached[bell.shard] < bell.to_seq
        ]
    }


def _bell(record: dict[str, Any]) -> Bell | None:
    try:
        return decode_bell(record["body"])
    except MalformedBell:
        logger.exception("message %s", record["messageId"])
        return None
