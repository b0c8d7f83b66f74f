"""What every doorbell does: in memory, on Celery with Redis or SQS as its broker, and on SQS."""

from collections.abc import Callable, Iterator
from queue import Empty
from typing import NamedTuple

import boto3
import pytest
from botocore.config import Config
from celery import Celery
from redis import Redis

from commands.cloud_events import decode_bell
from commands.doorbells.celery import QUEUE, TASK, CeleryDoorbell
from commands.doorbells.memory import MemoryDoorbell
from commands.doorbells.sqs import SqsDoorbell, queue_depths, sqs_client
from commands.publishing import Bell, Doorbell, DoorbellUnreachable
from config.embedded.bound_process import free_port
from config.embedded.sqs import CREDENTIALS
from tests.fixtures.celery_on_sqs import celery_on_sqs
from tests.fixtures.emulated_aws import EmulatedAws, running_emulator


class Rung(NamedTuple):
    doorbell: Doorbell
    heard: Callable[[], list[tuple[int, int]]]


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatedAws]:
    with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["memory", "celery", "celery-sqs", "sqs"])
def rung(request: pytest.FixtureRequest, aws_credentials: None) -> Rung:
    """A doorbell, and who listens at the other end."""
    match request.param:
        case "memory":
            memory = MemoryDoorbell()
            return Rung(memory, lambda: [(bell.shard, bell.to_seq) for bell in memory.rung])
        case "celery":
            request.getfixturevalue("redis")
            app = Celery("doorbell", broker=request.getfixturevalue("redis_url"), set_as_current=False)
            return Rung(CeleryDoorbell(app), lambda: _tasks_sent(app))
        case "celery-sqs":
            app = celery_on_sqs(request.getfixturevalue("emulator"))
            return Rung(CeleryDoorbell(app), lambda: _tasks_sent(app))
        case _:
            aws: EmulatedAws = request.getfixturevalue("emulator")
            queue_url = aws.make_queue()
            return Rung(SqsDoorbell(aws.sqs, queue_url=queue_url), lambda: _messages_sent(aws, queue_url))


def _tasks_sent(app: Celery) -> list[tuple[int, int]]:
    heard: list[tuple[int, int]] = []
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as queue:
        while True:
            try:
                message = queue.get(block=False)
            except Empty:
                return heard
            message.ack()
            assert message.headers["task"] == TASK
            _, named, _ = message.payload
            heard.append((named["shard"], named["to_seq"]))


def _messages_sent(aws: EmulatedAws, queue_url: str) -> list[tuple[int, int]]:
    bells = [decode_bell(message["Body"]) for message in aws.take_messages(queue_url)]
    return [(bell.shard, bell.to_seq) for bell in bells]


def bells(count: int) -> list[Bell]:
    return [
        Bell(shard=shard, from_seq=1, to_seq=100 + shard, from_position=1, to_position=1000 + shard)
        for shard in range(count)
    ]


class TestEveryDoorbell:
    @pytest.mark.parametrize("count", [0, 1, 23])
    def test_is_heard_once_for_each_bell_with_shard_and_sequence_number(self, rung: Rung, count: int) -> None:
        rung.doorbell.ring(bells(count))

        assert sorted(rung.heard()) == [(shard, 100 + shard) for shard in range(count)]

    def test_can_be_rung_again_for_the_same_bell(self, rung: Rung) -> None:
        rung.doorbell.ring(bells(1))
        rung.doorbell.ring(bells(1))

        assert rung.heard() == [(0, 100), (0, 100)]


class TestTheConnectionToABroker:
    def test_is_kept_and_made_anew_after_it_was_lost(self, redis: Redis, redis_url: str) -> None:
        app = Celery("doorbell", broker=redis_url, set_as_current=False)
        doorbell = CeleryDoorbell(app)
        doorbell.ring(bells(1))
        before = redis.info("stats")["total_connections_received"]
        for _ in range(5):
            doorbell.ring(bells(2))

        kept = redis.info("stats")["total_connections_received"] == before
        redis.client_kill_filter(_type="normal", skipme=True)
        doorbell.ring(bells(1))
        doorbell.close()

        assert kept
        assert len(_tasks_sent(app)) == 12


class TestAQueueOutOfReach:
    def test_that_is_a_broker_is_told_to_who_rings(self) -> None:
        broker = f"redis://127.0.0.1:{free_port()}/0"
        doorbell = CeleryDoorbell(Celery("doorbell", broker=broker, set_as_current=False))

        with pytest.raises(DoorbellUnreachable):
            doorbell.ring(bells(1))

    def test_that_is_an_sqs_queue_is_told_too(self, emulator: EmulatedAws, aws_credentials: None) -> None:
        nowhere = EmulatedAws(f"http://127.0.0.1:{free_port()}")
        missing = f"{emulator.url}/000000000000/no-such-queue"

        for aws, queue_url in ((nowhere, f"{nowhere.url}/000000000000/bells"), (emulator, missing)):
            with pytest.raises(DoorbellUnreachable):
                CeleryDoorbell(celery_on_sqs(aws, queue_url=queue_url)).ring(bells(1))

    def test_that_is_sqs_is_told_too(self) -> None:
        nowhere = f"http://127.0.0.1:{free_port()}"
        client = boto3.client(
            "sqs",
            endpoint_url=nowhere,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

        with pytest.raises(DoorbellUnreachable):
            SqsDoorbell(client, queue_url=f"{nowhere}/0/bells").ring(bells(1))

    def test_of_a_missing_name_is_told_too(self, emulator: EmulatedAws, aws_credentials: None) -> None:
        client = sqs_client(region="us-east-1", endpoint_url=emulator.url)

        with pytest.raises(DoorbellUnreachable):
            SqsDoorbell(client, queue_url=f"{emulator.url}/000000000000/no-such-queue").ring(bells(1))


class TestQueueDepths:
    def test_are_those_of_the_queue_and_of_the_dead_letters_behind_it(self, emulator: EmulatedAws) -> None:
        queue_url = emulator.make_queue(dead_letters_after=3)
        SqsDoorbell(emulator.sqs, queue_url=queue_url).ring(bells(4))

        depths = queue_depths(emulator.sqs, queue_url=queue_url)

        assert [(depth.queue, depth.visible) for depth in depths] == [("bells", 4), ("dead_letters", 0)]

    def test_of_a_missing_queue_are_told_as_out_of_reach(self, emulator: EmulatedAws) -> None:
        with pytest.raises(DoorbellUnreachable):
            queue_depths(emulator.sqs, queue_url=f"{emulator.url}/000000000000/no-such-queue")
