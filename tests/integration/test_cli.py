"""`manage.py`'s commands for who runs an installation: what they print, and with which exit code they end."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from django.conf import settings
from django.test import override_settings
from redis import Redis

from commands.dispatch import dispatch_many
from commands.event_log.sequence import sequence_pending
from commands.messages import Command
from config.cli import run_command
from projections.sweeper import drain
from tests.factories import register_company, report_filing
from tests.fixtures.filings import NOW
from tests.fixtures.running_installation import ROOT, manage

NOWHERE = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1/0"}


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process, on an installation that differs from the tests' own by `changed`."""

    def running(line: str, **changed: Any) -> Outcome:
        with override_settings(FACTFOLD=dataclasses.replace(settings.FACTFOLD, **changed)):
            try:
                code = run_command(line.split())
            except SystemExit as ended:
                code = int(ended.code or 0)
        return Outcome(code, *capsys.readouterr())

    return running


@pytest.fixture
def unmigrated(database_url: str) -> str:
    return f"{database_url.rpartition('/')[0]}/postgres"


def send(connection: psycopg.Connection, *commands: Command) -> None:
    dispatch_many(connection, commands, now=NOW)
    sequence_pending(connection)


@pytest.fixture
def readable(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """An installation in which all can be read of a company and its filing."""
    send(connection, register_company(cik=101), report_filing(cik=101))
    drain(connection, redis)
    return connection


class TestVerify:
    def test_says_what_it_found_to_be_right(self, run: Run, readable: psycopg.Connection) -> None:
        outcome = run("verify")

        assert outcome.code == 0
        assert outcome.out.startswith("OK  2 events, 1 companies, 1 facts, ")
        assert "Redis: every fragment" in outcome.err

    def test_names_the_first_difference_and_ends_with_1(self, run: Run, readable: psycopg.Connection) -> None:
        readable.execute("update figures_v1.fact set value = value + 1")

        outcome = run("verify")

        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.splitlines()[-1].startswith("DIFFERENT  fact of 101: ")

    def test_says_that_it_needs_redis(self, run: Run, readable: psycopg.Connection) -> None:
        outcome = run("verify", redis_url=NOWHERE["redis_url"])

        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("error: Redis does not answer: ")
        assert "correct REDIS_URL" in outcome.err


class TestStatus:
    @pytest.fixture(autouse=True)
    def _one_event_to_fold(self, readable: psycopg.Connection) -> None:
        send(readable, report_filing(cik=101))

    def test_is_a_table_to_people(self, run: Run) -> None:
        outcome = run("status")

        lines = outcome.out.splitlines()
        behind = [line.split() for line in lines if line.startswith("figures") and " live " in line]
        assert outcome.code == 0
        assert lines[0] == "log         3 events in order, 0 waiting for their position"
        assert lines[1].startswith("figures     readable up to position 2, since ")
        assert lines[2].startswith("contents    1 companies, 1 filings, 1 facts, ")
        assert sorted(line[4:7] for line in behind)[-1] == ["2", "3", "1"]
        assert len(behind) == settings.FACTFOLD.shards
        assert "parked      0 streams" in lines

    def test_is_one_object_to_programs(self, run: Run) -> None:
        outcome = run("status --json")

        told = json.loads(outcome.out)
        (behind,) = [shard for shard in told["shards"] if shard["lag_events"]]
        assert outcome.code == 0
        assert (told["head"], told["position"], told["companies"], told["filings"]) == (3, 2, 1, 1)
        assert (behind["shard_seq"], behind["head_seq"], behind["lag_events"]) == (2, 3, 1)
        assert behind["lag_seconds"] > 0
        assert told["redis"]["seq"] == told["seq"] > 0

    def test_is_told_without_redis(self, run: Run) -> None:
        outcome = run("status", redis_url=NOWHERE["redis_url"])

        assert outcome.code == 0
        assert "redis       does not answer" in outcome.out


class TestKeys:
    def test_are_printed_once_and_nothing_beside_them(self, run: Run, connection: psycopg.Connection) -> None:
        outcome = run("create_key board --scope read --scope write --rate 60 --expires 90d")

        key = outcome.out.removesuffix("\n")
        assert outcome.code == 0
        assert re.fullmatch(r"ff_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", key)
        assert "Nobody can show it again" in outcome.err
        assert key not in outcome.err
        assert key[16:] not in str(connection.execute("select api_key::text from access.api_key").fetchall())

    @pytest.mark.parametrize("page", ["README.md", "deploy/README.md", "docs/operations.md"])
    def test_are_made_as_the_pages_say(self, run: Run, connection: psycopg.Connection, page: str) -> None:
        shown = re.findall(
            r"manage\.py (create_key (?!NAME)\w+ [a-z0-9 -]+)", (ROOT / page).read_text(encoding="utf-8")
        )

        outcomes = [run(line) for line in shown]

        assert shown
        assert {outcome.code for outcome in outcomes} == {0}

    def test_are_listed_without_what_proves_them(self, run: Run, connection: psycopg.Connection) -> None:
        key = run("create_key board --scope write --scope read --rate 60 --expires 2126-01-31").out
        run("create_key other --scope admin")

        table = run("keys").out.splitlines()
        (board, other) = json.loads(run("keys --json").out)

        assert table[0].split() == ["prefix", "name", "scopes", "a", "minute", "created", "expires", "counts"]
        assert table[1].startswith(f"{key[3:15]}  board  read write  ")
        assert table[1].endswith("  2126-02-01  yes")
        assert set(board) == {
            "prefix", "name", "scopes", "requests_a_minute", "created_at", "expires_at", "revoked_at"
        }  # fmt: skip
        assert (board["prefix"], board["scopes"], board["requests_a_minute"]) == (key[3:15], ["read", "write"], 60)
        assert (other["name"], other["requests_a_minute"], other["expires_at"]) == ("other", None, None)

    def test_are_none_at_first(self, run: Run, connection: psycopg.Connection) -> None:
        assert run("keys").out.startswith("there are no keys; `manage.py create_key")
        assert run("keys --json").out == "[]\n"

    def test_are_revoked_once_and_for_ever(self, run: Run, connection: psycopg.Connection) -> None:
        prefix = run("create_key board --scope read").out[3:15]

        first, again = run(f"revoke_key {prefix}"), run(f"revoke_key {prefix}")

        assert first.code == 0
        assert first.out.startswith(f"{prefix} (board) has been revoked since ")
        assert again == first
        assert "no, revoked " in run("keys").out

    def test_that_have_expired_are_told_as_such(self, run: Run, connection: psycopg.Connection) -> None:
        run("create_key board --scope read --expires 1d")
        connection.execute("update access.api_key set created_at = '2026-01-01', expires_at = '2026-01-02'")

        assert run("keys").out.splitlines()[1].endswith("  2026-01-02  no, expired")

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("create_key board", "the following arguments are required: --scope"),
            ("create_key board --scope all", "choose from 'read', 'write', 'admin'"),
            ("create_key board --scope read --rate 0", "--rate is 0: use 1 to 1000000 requests a minute"),
            ("create_key board --scope read --expires soon", "say for how many days, such as 90d, or the last day"),
            ("create_key board --scope read --expires 2026-02-30", "such as 2027-01-31"),
            ("create_key board --scope read --expires 0d", "which has passed"),
            ("create_key board --scope read --expires 2020-01-31", "which has passed"),
            (f"create_key {'x' * 101} --scope read", "use 1 to 100 printable characters"),
            ("revoke_key 000102030405", "No key has this prefix: `manage.py keys` lists those there are"),
        ],
    )
    def test_are_not_made_or_revoked_by_mistake(
        self, run: Run, connection: psycopg.Connection, line: str, told: str
    ) -> None:
        outcome = run(line)

        assert outcome.code != 0
        assert told in outcome.err
        assert connection.execute("select count(*) from access.api_key").fetchone() == (0,)

    def test_are_not_repeated_to_who_gives_a_whole_one_for_its_prefix(
        self, run: Run, connection: psycopg.Connection
    ) -> None:
        key = run("create_key board --scope read").out.strip()

        outcome = run(f"revoke_key {key}")

        assert outcome.code != 0
        assert key[16:] not in outcome.out + outcome.err


class TestAnyCommand:
    @pytest.mark.parametrize(
        "line",
        [
            "verify",
            "status",
            "status --json",
            "parked",
            "unpark --all",
            "rebuild figures",
            "ingest sample sample/companies.jsonl.gz",
            "create_key board --scope read",
            "keys",
            "revoke_key 000102030405",
        ],
    )
    def test_says_to_migrate_a_database_without_tables(
        self, run: Run, redis: Redis, unmigrated: str, line: str
    ) -> None:
        outcome = run(line, database_url=unmigrated)

        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("error: the database lacks what this version needs: ")
        assert "Run `python3 manage.py migrate`" in outcome.err

    def test_says_to_migrate_where_no_version_is_live(self, run: Run, readable: psycopg.Connection) -> None:
        readable.execute("update projections.projection set state = 'retired'")

        outcome = run("verify")

        assert outcome.code == 2
        assert "no live version\nRun `python3 manage.py migrate`" in outcome.err

    @pytest.mark.parametrize("line", ["verify", "status", "parked", "unpark --all", "rebuild figures", "keys"])
    def test_says_that_the_database_does_not_answer(self, run: Run, line: str) -> None:
        outcome = run(line, **NOWHERE)

        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err.startswith("error: the database does not answer: ")
        assert "correct DATABASE_URL" in outcome.err

    def test_says_so_also_where_django_asks_it(self) -> None:
        nowhere = {"DATABASE_URL": NOWHERE["database_url"], "REDIS_URL": NOWHERE["redis_url"]}

        outcome = manage("migrate", FACTFOLD_ANONYMOUS="true", **nowhere)

        assert outcome.returncode == 2
        assert outcome.stderr.startswith("error: the database does not answer: ")

    def test_shows_where_an_error_was_to_who_asks(self) -> None:
        nowhere = {"DATABASE_URL": NOWHERE["database_url"], "REDIS_URL": NOWHERE["redis_url"]}

        outcome = manage("migrate", "--traceback", FACTFOLD_ANONYMOUS="true", **nowhere)

        assert outcome.returncode != 0
        assert "Traceback (most recent call last)" in outcome.stderr

    def test_says_what_is_wrong_with_the_environment(self) -> None:
        outcome = manage("status", DATABASE_URL="mysql://127.0.0.1/none")

        assert outcome.returncode == 2
        assert outcome.stderr.startswith("error: The environment is not usable:\n  - DATABASE_URL has to start with")

    def test_wants_a_folder_behind_data(self, run: Run) -> None:
        outcome = run("status --data")

        assert outcome.code == 2
        assert "argument --data: expected one argument" in outcome.err

    def test_is_listed_with_those_that_are_no_django_commands(self, run: Run) -> None:
        outcome = run("help")

        listed = [line.split()[0] for line in outcome.out.splitlines() if line.startswith("    ")]
        assert outcome.code == 0
        assert listed[:4] == ["up", "test", "lint", "soak"]
        assert {"status", "verify", "worker"} <= set(listed)

    def test_that_does_not_exist_is_told_as_such_also_where_nothing_runs(self, tmp_path: Path) -> None:
        outcome = manage("statu", "--data", str(tmp_path))

        assert outcome.returncode == 1
        assert "Unknown command: 'statu'. Did you mean status?" in outcome.stderr

    @pytest.mark.parametrize("line", ["up --help", "lint --help", "soak --help", "verify --help"])
    def test_says_what_it_does_without_doing_it(self, run: Run, line: str) -> None:
        outcome = run(line)

        assert outcome.code == 0
        assert outcome.out.startswith(f"usage: manage.py {line.split()[0]} ")
