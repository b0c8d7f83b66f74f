"""The package of the Lambda function holds all it needs, and runs under AWS's own runtime."""

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
from commands.publishing import publish_pending
from config.packaging import HANDLER, PYTHON, PackagingFailed, build_lambda
from tests.fixtures.filings import NOW, RegisterCompanyFactory, ReportFilingFactory
from tests.fixtures.runtime_api import RunningFunction, running_function

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

        rows = connection.execute("select shard, shard_seq from projections.checkpoint where shard_seq > 0")
        reached: dict[int, int] = dict(rows.fetchall())
        assert answer == ("response", {"batchItemFailures": []})
        assert reached == {shard: head.shard_seq for shard, head in shard_heads(connection).items() if head.shard_seq}

    def test_reports_what_is_no_bell(self, function: RunningFunction, rung: dict[str, Any]) -> None:
        broken = {"messageId": "broken", "eventSource": "aws:sqs", "body": "ring ring"}

        answer = function.invoke({"Records": [*rung["Records"], broken]})

        assert answer == ("response", {"batchItemFailures": [{"itemIdentifier": "broken"}]})

    def test_fails_as_a_whole_for_an_event_of_another_kind(self, function: RunningFunction) -> None:
        kind, told = function.invoke({"detail": "something else"})

        assert (kind, told["errorType"]) == ("error", "KeyError")
