"""A dump taken at any moment goes on in another cluster, whose transaction ids are smaller."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from commands.dispatch import dispatch_many
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from config.embedded.postgres import EmbeddedPostgres, postgres_programs
from projections.sweeper import drain
from projections.verify import verify
from tests.factories import register_company, report_filing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def another_cluster(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "another", password="another", durable=False)
    server.start()
    yield server
    server.stop()


class TestDumpAndRestore:
    def test_in_another_cluster_everything_goes_on_where_it_stood(
        self,
        connection: psycopg.Connection,
        redis: Redis,
        database_url: str,
        another_cluster: EmbeddedPostgres,
        tmp_path: Path,
    ) -> None:
        dispatch_many(connection, [register_company(cik=101), report_filing(cik=101)], now=NOW)
        drain(connection, redis)
        dispatch_many(connection, [register_company(cik=102)], now=NOW)
        sequence_pending(connection)
        dispatch_many(connection, [report_filing(cik=102)], now=NOW)
        programs, dump = postgres_programs(), tmp_path / "dump.sql"
        subprocess.run([programs / "pg_dump", "--file", dump, database_url], check=True)
        restore: list[str | Path] = [
            programs / "psql",
            "--quiet",
            "--set",
            "ON_ERROR_STOP=1",
            "--command",
            "create role factfold_bi",
            "--file",
            dump,
            another_cluster.url(),
        ]
        subprocess.run(restore, check=True, stdout=subprocess.DEVNULL)

        with psycopg.connect(another_cluster.url(), autocommit=True) as restored:
            assert drain(restored, redis) == 2
            dispatch_many(restored, [report_filing(cik=101), register_company(cik=103)], now=NOW)
            drain(restored, redis)

            log = [(event.position, event.stream) for event in read_log(restored, after=0, max_events=99)]
            assert log == list(
                zip(range(1, 7), [f"company-{cik}" for cik in (101, 101, 102, 102, 101, 103)], strict=True)
            )
            verify(restored, redis)
