"""Commands are refused, and files read in more slowly, while the figures are too far behind the log."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from redis import Redis

from commands.dispatch import dispatch_many
from commands.event_log.sequence import sequence_pending
from commands.rest.write_view import admission
from projections.sweeper import drain
from projections.vital_signs import read_backlog, read_vital_signs
from tests.fixtures.filings import NOW, RegisterCompanyFactory


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation that lets readers be five events behind."""
    changed = dataclasses.replace(settings.FACTFOLD, backlog_events=5, backlog_seconds=30)
    monkeypatch.setattr(settings, "FACTFOLD", changed)
    admission.cache_clear()
    yield
    admission.cache_clear()


def register(connection: psycopg.Connection, *, count: int) -> None:
    dispatch_many(connection, RegisterCompanyFactory.build_batch(count), now=NOW)


def post(cik: int) -> Any:
    admission.cache_clear()
    body = json.dumps({"cik": cik, "name": "Apple Inc."})
    client = Client(headers={"host": "127.0.0.1"})
    return client.post("/v1/commands/RegisterCompany", body, content_type="application/json")


class TestBacklog:
    def test_counts_what_has_no_position_and_what_is_not_folded(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        register(connection, count=3)
        drain(connection, redis)
        register(connection, count=4)
        sequence_pending(connection)
        register(connection, count=5)

        assert read_backlog(connection).events == 9

    def test_is_as_old_as_the_oldest_event_without_a_position(self, connection: psycopg.Connection) -> None:
        register(connection, count=2)
        connection.execute("update events.event set recorded_at = recorded_at - interval '1 hour' where id = 1")

        assert read_backlog(connection).pending_seconds == pytest.approx(3600, abs=60)

    def test_is_nothing_once_all_is_folded(self, connection: psycopg.Connection, redis: Redis) -> None:
        register(connection, count=3)

        drain(connection, redis)

        assert read_backlog(connection).events == 0
        signs = read_vital_signs(connection)
        assert (signs.head, signs.figures and signs.figures.position) == (3, 3)
        assert sum(shard.batches for shard in signs.shards) > 0


class TestCommands:
    def test_are_refused_with_the_backlog_and_taken_again_once_readers_follow(
        self, connection: psycopg.Connection, redis: Redis, limits: None
    ) -> None:
        register(connection, count=6)

        refused = post(320193)
        drain(connection, redis)
        taken = post(320193)

        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["code"] == "backlog_too_long"
        assert refused.json()["backlog"]["events"] == 6
        assert taken.status_code == 202

    def test_are_refused_in_batches_too(self, connection: psycopg.Connection, limits: None) -> None:
        register(connection, count=6)

        answer = Client(headers={"host": "127.0.0.1"}).post("/v1/commands", "[]", content_type="application/json")

        assert (answer.status_code, answer.json()["code"]) == (429, "backlog_too_long")

    def test_can_be_looked_up_meanwhile(self, connection: psycopg.Connection, limits: None) -> None:
        register(connection, count=6)

        answer = Client(headers={"host": "127.0.0.1"}).get("/v1/commands/event-1")

        assert answer.status_code == 200

    def test_wait_for_a_standing_sequencer_too(self, connection: psycopg.Connection, limits: None) -> None:
        register(connection, count=1)
        connection.execute("update events.event set recorded_at = recorded_at - interval '1 minute'")

        assert post(320193).status_code == 429


class TestIngest:
    def test_waits_for_nobody_longer_than_its_patience_and_says_so(
        self,
        connection: psycopg.Connection,
        limits: None,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setattr("commands.admission.PATIENCE_SECONDS", 0.1)
        monkeypatch.setattr("projections.management.commands.ingest._Progress.SECONDS_BETWEEN_LINES", 0)
        register(connection, count=6)
        table = tmp_path / "classifications.csv"
        table.write_text("cik,sic,ticker\n1,3571,AAPL\n")

        with pytest.raises(SystemExit):
            call_command("ingest", "classifications", str(table))

        assert "waiting: 6 events" in capsys.readouterr().err
