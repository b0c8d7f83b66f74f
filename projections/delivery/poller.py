"""The door for SQS without Lambda: a process that asks the queue."""

import logging
import threading
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from commands.cloud_events import MalformedBell, decode_bell
from projections.delivery.answering import answer, wanted_by

_AGAIN_AFTER_SECONDS = 2.0

logger = logging.getLogger(__name__)


def poll(client: Any, *, queue_url: str, stopping: threading.Event, wait_seconds: int = 10) -> None:
    """
    This will answer the queue's bells until `stopping` is set, which is looked at after every request.

    A queue out of reach is waited for; meanwhile the sweeper does the work. A bell whose shard did not come far enough
    stays in the queue and is heard again after its visibility timeout.
    """
    while not stopping.is_set():
        try:
            poll_once(client, queue_url=queue_url, wait_seconds=wait_seconds)
        except (BotoCoreError, ClientError) as error:
            logger.warning("SQS is out of reach, trying again: %s", error)
            stopping.wait(_AGAIN_AFTER_SECONDS)


def poll_once(client: Any, *, queue_url: str, wait_seconds: int) -> int:
    """This will wait for up to ten bells, answer them, and return how many were answered."""
    received = client.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds)
    answered = _answered(received.get("Messages", ()))
    if answered:
        client.delete_message_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(answered)
            ],
        )
    return len(answered)


def _answered(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    bells = []
    for message in messages:
        try:
            bells.append((message, decode_bell(message["Body"])))
        except MalformedBell:
            logger.exception("message %s is left to the queue's redrive policy", message["MessageId"])
    wanted = wanted_by((bell.shard, bell.to_seq) for _, bell in bells)
    reached = answer(wanted, origins=[bell.origin for _, bell in bells]) if bells else {}
    return [message for message, bell in bells if reached[bell.shard] >= bell.to_seq]
