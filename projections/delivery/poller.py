"""The door for SQS without Lambda: a process that asks the queue."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from commands.cloud_events import MalformedBell, decode_bell
from projections.delivery.answering import answer, wanted_by

logger = logging.getLogger(__name__)


def poll(client: Any, *, queue_url: str, stopping: Callable[[], bool], wait_seconds: int = 10) -> None:
    """
    This will answer the queue's bells until `stopping` says so, which is asked after every request.

    A bell whose shard did not come far enough stays in the queue and is heard again after its visibility timeout.
    """
    while not stopping():
        poll_once(client, queue_url=queue_url, wait_seconds=wait_seconds)


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
    reached = answer(wanted_by((bell.shard, bell.to_seq) for _, bell in bells)) if bells else {}
    return [message for message, bell in bells if reached[bell.shard] >= bell.to_seq]
