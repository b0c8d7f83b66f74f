"""The package of the Lambda function holds all it needs, and runs under AWS's own runtime and behind a queue."""

import platform
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from commands.cloud_events import encode_bell
from commands.dispatch import dispatch_many
from commands.doorbells.memory import MemoryDoorbell
from commands.event_log.read import shard_heads
from commands.event_log.sequence import sequence_pending
from commands.publishing import Bell, publish_pending
from config.packaging import HANDLER, PYTHON, PackagingFailed, build_lambda
from tests.fixtures.emulated_aws import running_emulator
from tests.fixtures.filings import NOW, RegisterCompanyFactory, ReportFilingFactory
from tests.fixtures.runtime_api import RunningFunction, running_function
from tests.fixtures.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux"
        or platform.machine() != "x86_64"
        or f"{sys.version_info.major}.{sys.version_info.minor}" != PYTHON,
        reason="Lambda's Linux and Python are not those of this machine",
    ),
]
MOST_BYTES = 50 * 1024 * 1024
"""AWS takes no larger archive directly."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("package") / "lambda.zip"
    try:
        build_lambda(out)
    except PackagingFailed as error:
        if "Failed to fetch" in str(error) or "connect" in str(error):
            pytest.skip(f"no package index is in reach: {error}")
        raise
    return out


@pytest.fixture(scope="module")
def package(archive: Path) -> Path:
    folder = archive.parent / "unpacked"
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def function(
    package: Path, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningFunction]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    with running_function(
        HANDLER, package=package, folder=tmp_path_factory.mktemp("runtime"), environ=environ
    ) as function:
        yield function


@pytest.fixture
def rung(connection: psycopg.Connection, redis: Redis) -> dict[str, Any]:
    """An SQS event with the bells of events that nobody has folded."""
    companies = RegisterCompanyFactory.build_batch(5)
    dispatch_many(connection, [*companies, *(ReportFilingFactory.build(cik=one.cik) for one in companies)], now=NOW)
    sequence_pending(connection)
    doorbell = MemoryDoorbell()
    publish_pending(connection, doorbell)
    return {
        "Records": [
            {"messageId": f"m{bell.shard}", "eventSource": "aws:sqs", "body": encode_bell(bell, now=NOW)}
            for bell in doorbell.rung
        ]
    }


def reached(connection: psycopg.Connection) -> dict[int, int]:
    rows = connection.execute("select shard, shard_seq from projections.checkpoint where shard_seq > 0")
    return dict(rows.fetchall())


def heads(connection: psycopg.Connection) -> dict[int, int]:
    return {shard: head.shard_seq for shard, head in shard_heads(connection).items() if head.shard_seq}


class TestThePackage:
    def test_is_small_enough_and_holds_no_program_of_ours_that_is_not_needed(self, archive: Path) -> None:
        names = zipfile.ZipFile(archive).namelist()

        assert archive.stat().st_size < MOST_BYTES
        assert {name.partition("/")[0] for name in names} >= {"commands", "config", "projections", "queries", "psycopg"}
        assert [name for name in names if name.startswith(("tests/", "mcp_tools/", "config/embedded/"))] == []


class TestTheFunction:
    def test_folds_what_the_bells_announce(
        self, function: RunningFunction, rung: dict[str, Any], connection: psycopg.Connection
    ) -> None:
        answer = function.invoke(rung)

        assert answer == ("response", {"batchItemFailures": []})
        assert reached(connection) == heads(connection)

    def test_reports_what_is_no_bell(self, function: RunningFunction, rung: dict[str, Any]) -> None:
        broken = {"messageId": "broken", "eventSource": "aws:sqs", "body": "ring ring"}

        answer = function.invoke({"Records": [*rung["Records"], broken]})

        assert answer == ("response", {"batchItemFailures": [{"itemIdentifier": "broken"}]})

    def test_fails_as_a_whole_for_an_event_of_another_kind(self, function: RunningFunction) -> None:
        kind, told = function.invoke({"detail": "something else"})

        assert (kind, told["errorType"]) == ("error", "KeyError")


class TestBehindTheQueue:
    def test_what_fails_is_heard_again_and_put_aside_while_the_others_are_folded(
        self, archive: Path, rung: dict[str, Any], connection: psycopg.Connection, database_url: str, redis_url: str
    ) -> None:
        ahead = Bell(shard=0, from_seq=1, to_seq=999, from_position=1, to_position=999)
        failing = ["ring ring", encode_bell(ahead, now=NOW)]
        bodies = [*failing, *(record["body"] for record in rung["Records"])]
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        with running_emulator() as emulator:
            queue_url = emulator.make_queue(visibility_seconds=2, dead_letters_after=3)
            emulator.make_function(
                queue_url=queue_url,
                environ={"DATABASE_URL": database_url, "REDIS_URL": redis_url},
                archive=archive.read_bytes(),
            )

            emulator.sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)

            wait_until(lambda: emulator.messages_left(queue_url) == len(failing))
            put_aside_at_first = emulator.dead_letters(queue_url)
            wait_until(lambda: emulator.messages_left(queue_url) == 0)
            put_aside = emulator.dead_letters(queue_url)

        assert len(entries) <= 10
        assert reached(connection) == heads(connection)
        assert (put_aside_at_first, put_aside) == ([], sorted(failing))
