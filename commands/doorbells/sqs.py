"""A doorbell on Amazon SQS."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from commands.cloud_events import encode_bell
from commands.doorbells.depth import QueueDepth
from commands.publishing import Bell, DoorbellUnreachable
from commands.tracing import carried

_MOST_IN_BATCH = 10


def sqs_client(*, region: str | None = None, endpoint_url: str | None = None) -> Any:
    """This will make a client that gives up soon; credentials are found in the ways usual with AWS."""
    return boto3.client(
        "sqs",
        region_name=region,
        endpoint_url=endpoint_url,
        config=Config(connect_timeout=3, read_timeout=25, retries={"max_attempts": 2, "mode": "standard"}),
    )


def queue_depths(client: Any, *, queue_url: str) -> list[QueueDepth]:
    """
    This will count what lies in the queue and in the dead letter queue behind it.

    Raises:
        DoorbellUnreachable: SQS does not answer.
    """
    try:
        attributes = client.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
        depths = [_depth("bells", attributes)]
        if policy := attributes.get("RedrivePolicy"):
            name = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
            dead_letters = client.get_queue_url(QueueName=name)["QueueUrl"]
            answer = client.get_queue_attributes(QueueUrl=dead_letters, AttributeNames=["All"])
            depths.append(_depth("dead_letters", answer["Attributes"]))
    except (BotoCoreError, ClientError) as error:
        raise DoorbellUnreachable(f"SQS does not answer: {error}") from error
    return depths


def _depth(queue: str, attributes: dict[str, str]) -> QueueDepth:
    return QueueDepth(
        queue=queue,
        visible=int(attributes["ApproximateNumberOfMessages"]),
        in_flight=int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
        delayed=int(attributes.get("ApproximateNumberOfMessagesDelayed", 0)),
    )


class SqsDoorbell:
    """One CloudEvent for each bell, on a standard queue: order and number do not matter to who hears it."""

    def __init__(
        self, client: Any, *, queue_url: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._clock = clock

    def ring(self, bells: Sequence[Bell]) -> None:
        """This will send the bells, ten in a request."""
        for batch in batched(bells, _MOST_IN_BATCH):
            now = self._clock()
            entries = [
                {"Id": str(index), "MessageBody": encode_bell(bell, now=now), **_attributes(bell)}
                for index, bell in enumerate(batch)
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            except (BotoCoreError, ClientError) as error:
                raise DoorbellUnreachable(f"SQS does not answer: {error}") from error
            if failed := answer.get("Failed"):
                raise DoorbellUnreachable(f"SQS did not take {len(failed)} of {len(batch)} bells: {failed[0]}")


def _attributes(bell: Bell) -> dict[str, Any]:
    told = {name: {"DataType": "String", "StringValue": value} for name, value in carried(bell.origin).items()}
    return {"MessageAttributes": told} if told else {}
