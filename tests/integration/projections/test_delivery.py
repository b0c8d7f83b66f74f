"""The doors to the projections: Celery on Redis and on SQS, Lambda, and asking SQS."""

import dataclasses
import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from celery.contrib.testing.worker import start_worker
from django.conf import settings
from django.test import override_settings
from redis import Redis

import projections.delivery.tasks  # noqa: F401  # registers the task, as the worker's imports do
from commands.cloud_events import encode_bell
from commands.dispatch import dispatch_many
from commands.doorbells.celery import CeleryDoorbell
from commands.doorbells.sqs import SqsDoorbell
from commands.event_log.read import shard_heads
from commands.event_log.sequence import sequence_pending
from commands.publishing import Bell, publish_pending
from config import lambda_function
from config.embedded.sqs import CREDENTIALS
from projections.aggregates import is_stale
from projections.delivery.answering import standing_connection
from projections.delivery.lambda_handler import handler
from projections.delivery.poller import poll, poll_once
from tests.fixtures.celery_on_sqs import celery_on_sqs
from tests.fixtures.emulated_aws import EmulatedAws, running_emulator
from tests.fixtures.filings import NOW, RegisterCompanyFactory, ReportFilingFactory
from tests.fixtures.transaction_pooler import transaction_pooler
from tests.fixtures.waiting import wait_until


class FiveSeconds:
    """The context of an invocation with five seconds left."""

    def get_remaining_time_in_millis(self) -> int:
        return 5000


class NoTime(FiveSeconds):
    """The context of an invocation at its end."""

    def get_remaining_time_in_millis(self) -> int:
        return 0


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatedAws]:
    with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def waiting(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """A database whose log holds events of several shards that nobody has folded."""
    companies = RegisterCompanyFactory.build_batch(12)
    filings = [ReportFilingFactory.build(cik=company.cik) for company in companies]
    dispatch_many(connection, [*companies, *filings], now=NOW)
    sequence_pending(connection)
    return connection


def reached(connection: psycopg.Connection) -> dict[int, int]:
    rows = connection.execute("select shard, shard_seq from projections.checkpoint where name = 'figures'")
    return {shard: shard_seq for shard, shard_seq in rows if shard_seq}


def heads(connection: psycopg.Connection) -> dict[int, int]:
    return {shard: head.shard_seq for shard, head in shard_heads(connection).items() if head.shard_seq}


def bells(connection: psycopg.Connection) -> list[Bell]:
    return [
        Bell(shard=shard, from_seq=1, to_seq=to_seq, from_position=1, to_position=to_seq)
        for shard, to_seq in heads(connection).items()
    ]


def records(messages: Sequence[Bell | str]) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"m{index}",
                "body": message if isinstance(message, str) else encode_bell(message, now=NOW),
            }
            for index, message in enumerate(messages)
        ]
    }


def failed(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


class TestLambdaHandler:
    def test_folds_what_the_bells_announce_and_reports_no_failure(self, waiting: psycopg.Connection) -> None:
        answer = handler(records(bells(waiting)), FiveSeconds())

        assert failed(answer) == []
        assert reached(waiting) == heads(waiting)

    def test_reports_exactly_the_messages_it_did_not_reach(self, waiting: psycopg.Connection) -> None:
        rung = bells(waiting)
        ahead = Bell(shard=rung[0].shard, from_seq=1, to_seq=rung[0].to_seq + 1, from_position=1, to_position=999)

        answer = handler(records([*rung, ahead, rung[0]]), FiveSeconds())

        assert failed(answer) == [f"m{len(rung)}"]
        assert reached(waiting) == heads(waiting)

    def test_reports_every_message_when_no_time_is_left(self, waiting: psycopg.Connection) -> None:
        rung = bells(waiting)

        answer = handler(records(rung), NoTime())

        assert failed(answer) == [f"m{index}" for index in range(len(rung))]
        assert reached(waiting) == {}

    def test_reports_messages_of_a_shard_that_another_worker_holds(
        self, waiting: psycopg.Connection, connect: Any
    ) -> None:
        rung = bells(waiting)
        other = connect()

        with other.transaction():
            other.execute("select from projections.checkpoint where shard = %s for update", [rung[0].shard])
            answer = handler(records(rung), FiveSeconds())

        assert failed(answer) == ["m0"]

    def test_hearing_a_bell_again_changes_nothing(self, waiting: psycopg.Connection) -> None:
        handler(records(bells(waiting)), FiveSeconds())
        before = reached(waiting)

        answer = handler(records(bells(waiting)), FiveSeconds())

        assert failed(answer) == []
        assert reached(waiting) == before

    @pytest.mark.parametrize(
        "body",
        [
            "{",
            "{}",
            json.dumps({"specversion": "1.0", "id": "1", "source": "/x", "type": "other", "data": {}}),
            encode_bell(Bell(shard=1, from_seq=1, to_seq=1, from_position=1, to_position=1), now=NOW).replace(
                '"1.0"', '"0.3"'
            ),
        ],
    )
    def test_leaves_what_is_no_bell_to_the_redrive_policy(self, waiting: psycopg.Connection, body: str) -> None:
        answer = handler(records([*bells(waiting), body]), FiveSeconds())

        assert failed(answer) == [f"m{len(bells(waiting))}"]
        assert reached(waiting) == heads(waiting)


class TestLambdaBehindATransactionPooler:
    def test_folds_and_refreshes_though_each_transaction_is_in_another_session(
        self, connection: psycopg.Connection, redis: Redis, database_url: str
    ) -> None:
        def invoked() -> list[tuple[list[str], bool]]:
            outcomes = []
            # Often enough that statements would be prepared, and that what one session holds would be in another's way.
            for company in RegisterCompanyFactory.build_batch(8):
                dispatch_many(connection, [company, ReportFilingFactory.build(cik=company.cik)], now=NOW)
                sequence_pending(connection)
                answer = lambda_function.handler(records(bells(connection)), FiveSeconds())
                outcomes.append((failed(answer), is_stale(connection)))
            standing_connection().close()
            return outcomes

        with (
            transaction_pooler(database_url) as (address, pooler),
            override_settings(FACTFOLD=dataclasses.replace(settings.FACTFOLD, database_url=address)),
            ThreadPoolExecutor() as elsewhere,
        ):
            outcomes = elsewhere.submit(invoked).result()

        assert outcomes == [([], False)] * 8
        assert reached(connection) == heads(connection)
        assert min(pooler.transactions) > 20


class TestLambda:
    def test_runs_behind_the_queue_and_empties_it(
        self, waiting: psycopg.Connection, emulator: EmulatedAws, database_url: str, redis_url: str
    ) -> None:
        queue_url = emulator.make_queue(dead_letters_after=5)
        emulator.make_function(queue_url=queue_url, environ={"DATABASE_URL": database_url, "REDIS_URL": redis_url})

        publish_pending(waiting, SqsDoorbell(emulator.sqs, queue_url=queue_url))

        wait_until(lambda: reached(waiting) == heads(waiting))
        wait_until(lambda: emulator.messages_left(queue_url) == 0)


class TestPoller:
    def test_answers_and_deletes_what_it_reached(self, waiting: psycopg.Connection, emulator: EmulatedAws) -> None:
        queue_url = emulator.make_queue()
        publish_pending(waiting, SqsDoorbell(emulator.sqs, queue_url=queue_url))

        wait_until(lambda: poll_once(emulator.sqs, queue_url=queue_url, wait_seconds=1) == 0)

        assert reached(waiting) == heads(waiting)
        assert emulator.messages_left(queue_url) == 0

    def test_waits_for_a_queue_out_of_reach(self, emulator: EmulatedAws, caplog: pytest.LogCaptureFixture) -> None:
        stopping = threading.Event()
        missing = f"{emulator.url}/000000000000/no-such-queue"
        polling = threading.Thread(
            target=poll, args=[emulator.sqs], kwargs={"queue_url": missing, "stopping": stopping}
        )
        polling.start()
        wait_until(lambda: "out of reach" in caplog.text)
        still_there = polling.is_alive()

        stopping.set()
        polling.join()

        assert still_there

    def test_leaves_what_it_did_not_reach_and_what_is_no_bell(
        self, waiting: psycopg.Connection, emulator: EmulatedAws
    ) -> None:
        queue_url = emulator.make_queue()
        ahead = Bell(shard=0, from_seq=1, to_seq=999, from_position=1, to_position=999)
        SqsDoorbell(emulator.sqs, queue_url=queue_url).ring([ahead])
        emulator.sqs.send_message(QueueUrl=queue_url, MessageBody="ring ring")

        wait_until(lambda: poll_once(emulator.sqs, queue_url=queue_url, wait_seconds=1) == 0)

        assert emulator.messages_left(queue_url) == 2


class TestCelery:
    def test_a_worker_folds_what_the_bells_announce(self, waiting: psycopg.Connection) -> None:
        from config.celery import app

        with start_worker(app, pool="solo", perform_ping_check=False):
            publish_pending(waiting, CeleryDoorbell(app))

            wait_until(lambda: reached(waiting) == heads(waiting))

    def test_a_worker_on_an_sqs_queue_does_so_also_after_the_queue_was_away(
        self, waiting: psycopg.Connection, emulator: EmulatedAws, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        queue_url = emulator.make_queue()
        app = celery_on_sqs(emulator, queue_url=queue_url)

        with start_worker(app, pool="solo", perform_ping_check=False) as worker:
            emulator.sqs.delete_queue(QueueUrl=queue_url)
            wait_until(lambda: worker.consumer.restart_count > 0)
            emulator.sqs.create_queue(QueueName=queue_url.rpartition("/")[2])
            publish_pending(waiting, CeleryDoorbell(app))

            wait_until(lambda: reached(waiting) == heads(waiting) and emulator.messages_left(queue_url) == 0)
