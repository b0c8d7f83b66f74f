"""One command runs the whole house, keeps it running, and stops it cleanly."""

import gzip
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from config.embedded.sqs import CREDENTIALS
from tests.conftest import Servers
from tests.fixtures.companyfacts_files import company_document, fact
from tests.fixtures.emulated_aws import running_emulator
from tests.fixtures.running_installation import ROOT, RunningInstallation, answer_of, manage
from tests.fixtures.waiting import wait_until

# One installation serves all of them, so they run in one worker (tests/fixtures/scheduling.py), in this order.
FEW = {"AAPL", "JPM", "SHOP"}
LAST_FIVE = {"metrics": "revenue", "period_type": "annual", "last": "5"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few real companies of three sectors: folding the whole sample takes longer than everything else here."""
    return write_sample(tmp_path_factory.mktemp("sample") / "few.jsonl.gz", FEW)


def write_sample(path: Path, tickers: set[str]) -> Path:
    with gzip.open(ROOT / "sample" / "companies.jsonl.gz", "rt") as every, gzip.open(path, "wt") as chosen:
        chosen.writelines(line for line in every if tickers.intersection(json.loads(line).get("tickers", ())))
    return path


@pytest.fixture(scope="module")
def installation(data: Path, sample: Path) -> Iterator[RunningInstallation]:
    running = RunningInstallation(data, "--port", "0", "--sample", str(sample))
    running.wait_until_ready()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api(installation: RunningInstallation) -> str:
    return installation.wait_until_ready()


@pytest.fixture(scope="class")
def given(servers: Servers) -> Iterator[dict[str, str]]:
    """The environment of who has a PostgreSQL and an SQS queue, and no Valkey."""
    with running_emulator() as emulator:
        yield {
            "DATABASE_URL": servers.clone("given"),
            "FACTFOLD_DOORBELL": "sqs",
            "FACTFOLD_SQS_QUEUE_URL": emulator.make_queue(),
            "AWS_ENDPOINT_URL": emulator.url,
            **CREDENTIALS,
        }


@pytest.fixture(scope="class")
def own(tmp_path_factory: pytest.TempPathFactory, given: dict[str, str]) -> Iterator[RunningInstallation]:
    running = RunningInstallation(tmp_path_factory.mktemp("own") / "data", "--port", "0", "--empty", **given)
    running.wait_until_ready()
    yield running
    running.stop()


class TestUp:
    def test_prints_three_commands_that_work(self, installation: RunningInstallation) -> None:
        commands = re.findall(r"^ +(curl .*)$", installation.said, re.MULTILINE)

        series, aggregates, mcp = (
            json.loads(subprocess.run(command, shell=True, capture_output=True, check=True).stdout)  # noqa: S602
            for command in commands
        )

        by_year = {row["fiscal_year"]: row for row in series["data"]}
        assert float(by_year[2023]["value"]) == 383_285_000_000
        assert by_year[2023]["accession"].startswith("0000320193-")
        assert {row["group"] for row in aggregates["data"]} >= {"manufacturing", "services", "finance"}
        assert not mcp["result"].get("isError")
        assert "383285000000" in json.dumps(mcp["result"]["structuredContent"])

    def test_shows_documentation_whose_assets_are_served_from_here(self, api: str) -> None:
        page = httpx.get(f"{api}/docs", trust_env=False).text

        assets = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page)
        assert assets
        for asset in assets:
            assert asset.startswith("/")
            assert httpx.get(f"{api}{asset}", trust_env=False).status_code == 200

    def test_is_found_by_other_commands_through_its_folder(self, installation: RunningInstallation, data: Path) -> None:
        outcome = manage("status", "--json", "--data", str(data))

        assert outcome.returncode == 0, outcome.stderr
        assert json.loads(outcome.stdout)["companies"] == len(FEW)

    def test_refuses_a_folder_on_which_another_one_runs_and_leaves_that_alone(self, api: str, data: Path) -> None:
        outcome = manage("up", "--port", "0", "--data", str(data))

        assert outcome.returncode == 1
        assert f"already runs on {data} at {api}" in outcome.stderr
        assert "--data" in outcome.stderr
        assert manage("status", "--data", str(data)).returncode == 0

    @pytest.mark.skipif(sys.platform != "linux", reason="finds the children in /proc")
    @pytest.mark.parametrize(("name", "program"), [("celery", "config.celery"), ("api", "config.serve")])
    def test_starts_a_killed_process_again(
        self, installation: RunningInstallation, api: str, name: str, program: str
    ) -> None:
        said_before = len(installation.said)

        os.kill(installation.child(program), signal.SIGKILL)

        installation.wait_for(rf"{name} ended \(signal SIGKILL\)", after=said_before)
        installation.wait_for(rf"{name} is running again", after=said_before)
        # The listening socket never closed: the request waits for the new process instead of being refused.
        assert answer_of(f"{api}/v1/status")["data"]

    def test_carries_a_command_to_the_readers(self, installation: RunningInstallation, api: str) -> None:
        company = {
            "cik": 9_999_999_001,
            "name": "Walked Through Inc",
            "sic": "3571",
            "country": "US",
            "tickers": ["WLKD"],
        }

        accepted = httpx.post(f"{api}/v1/commands/RegisterCompany", json=company, trust_env=False, timeout=30)

        assert accepted.status_code == 202, accepted.text
        asked = {"min_position": accepted.json()["token"]}
        # A machine that is busy with other tests may take longer than one question waits.
        wait_until(lambda: httpx.get(f"{api}/v1/companies/WLKD", params=asked, trust_env=False, timeout=30).is_success)

    def test_stops_cleanly_and_starts_again_with_its_data(self, installation: RunningInstallation, data: Path) -> None:
        code = installation.stop(signal.SIGTERM)

        assert code == 0
        assert installation.said.endswith("stopped; the data is kept\n")
        assert not (data / "installation.json").exists()
        again = RunningInstallation(data, "--port", "0")
        try:
            api = again.wait_until_ready()
            revenue = answer_of(f"{api}/v1/companies/AAPL/series", **LAST_FIVE)
            assert 383_285_000_000 in {float(row["value"]) for row in revenue["data"]}
            assert "sample: loading" not in again.said
        finally:
            code = again.stop(signal.SIGINT)
        assert code == 0


@pytest.mark.slow
class TestUpOnGivenServers:
    def test_is_known_to_who_names_one_of_them_and_the_folder(
        self, own: RunningInstallation, given: dict[str, str], tmp_path: Path
    ) -> None:
        shell = {"DATABASE_URL": given["DATABASE_URL"], "FACTFOLD_DATA": str(own.data)}
        (tmp_path / "apple.json").write_bytes(company_document({"Revenues": {"USD": [fact()]}}))

        ingested = manage("ingest", "companyfacts", str(tmp_path), "--wait", **shell)
        verified = manage("verify", **shell)

        assert ingested.returncode == 0, ingested.stderr
        assert verified.stdout.startswith("OK  2 events, 1 companies"), verified.stderr

    @pytest.mark.parametrize(
        "elsewhere",
        [
            {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"},
            {"FACTFOLD_DOORBELL": "nobody's"},
        ],
    )
    def test_is_what_an_option_names_whatever_the_environment_does(
        self, own: RunningInstallation, elsewhere: dict[str, str]
    ) -> None:
        outcome = manage("status", "--json", "--data", str(own.data), **elsewhere)

        assert outcome.returncode == 0, outcome.stderr
        assert json.loads(outcome.stdout)["redis"]["reachable"]


UNPREPARED = [
    pytest.param(
        "create view public.mine as select * from bi.frame; create view public.more as select * from bi.company;"
        "delete from django_migrations where name = '0017_counted_links'",
        "view mine depends on view bi.frame\nview more depends on view bi.company",
        id="somebody's views stand on its own",
    ),
    pytest.param(
        "alter table events.stream drop constraint stream_shard_fkey;"
        "insert into events.stream (stream, version, shard) values ('company-1', 0, 99);"
        "delete from django_migrations where name = '0004_streams_stand_in_shards'",
        "Open those shards as docs/operations.md says",
        id="a migration refuses",
    ),
    pytest.param(
        "delete from django_migrations where app = 'commands' and name = '0001_event_log'",
        "applied before its dependency commands.0001_event_log",
        id="its history has a gap",
    ),
    pytest.param(
        "delete from django_migrations",
        "already exists",
        id="it has tables already",
    ),
]
"""What may have been done to a database before an upgrade, and what is told then."""


class TestUpWithServersOnly:
    def test_lets_its_database_be_mended(self, tmp_path: Path) -> None:
        data = str(tmp_path / "data")
        running = RunningInstallation(tmp_path / "data", "--servers-only")
        try:
            running.wait_for("ready: servers only")
            outcome = manage("dbshell", "--data", data, "--", "-Atc", "select current_database()")
        finally:
            code = running.stop()

        assert (outcome.returncode, outcome.stdout) == (0, "factfold\n"), outcome.stderr
        assert "tables:" not in running.said
        assert code == 0

    def test_says_so_where_its_password_is_gone(self, tmp_path: Path) -> None:
        running = RunningInstallation(tmp_path, "--servers-only")
        running.wait_for("ready: servers only")
        running.stop()
        (tmp_path / "secrets.json").unlink()

        outcome = manage("up", "--port", "0", "--data", str(tmp_path))

        assert outcome.returncode == 1
        assert f"error: The cluster in {tmp_path / 'postgres'} cannot be used" in outcome.stderr
        assert "put that file back" in outcome.stderr
        assert "Traceback" not in outcome.stderr


@pytest.mark.slow
class TestUpOnOneDatabaseAfterAnother:
    def test_loads_the_sample_into_each_and_goes_on_where_it_was_stopped(
        self, servers: Servers, tmp_path: Path
    ) -> None:
        # With more filings than are recorded in one transaction.
        sample = write_sample(tmp_path / "more.jsonl.gz", FEW | {"COST", "GS"})
        data = tmp_path / "data"
        server = servers.start_valkey().rpartition("/")[0]
        one, other = (
            {"DATABASE_URL": servers.clone(name), "REDIS_URL": f"{server}/{number}"}
            for name, number in (("one", 1), ("other", 2))
        )
        options = ("--port", "0", "--sample", str(sample))
        first = RunningInstallation(data, *options, **one)
        first.wait_until_ready()
        first.stop()
        stopped = RunningInstallation(data, *options, **other)
        stopped.wait_for("tables: up to date")
        with psycopg.connect(other["DATABASE_URL"]) as holding:
            # The last company's stream is somebody else's until he has decided: the load waits for him.
            holding.execute("insert into events.stream values (%s, 0, 0)", (f"company-{last_company_of(sample)}",))
            stopped.wait_for("sample: loading")
            wait_until(lambda: events_in(other))
            stopped.stop()
            holding.rollback()
        assert 0 < events_in(other) < events_in(one)

        again = RunningInstallation(data, *options, **other)
        try:
            api = again.wait_until_ready()
            revenue = answer_of(f"{api}/v1/companies/AAPL/series", **LAST_FIVE)
        finally:
            again.stop()

        assert 383_285_000_000 in {float(row["value"]) for row in revenue["data"]}
        assert events_in(other) == events_in(one)
        back = RunningInstallation(data, *options, **one)
        try:
            back.wait_until_ready()
        finally:
            back.stop()
        assert "sample: loading" not in back.said


def last_company_of(sample: Path) -> int:
    *_, line = gzip.decompress(sample.read_bytes()).splitlines()
    cik: int = json.loads(line)["cik"]
    return cik


def events_in(given: dict[str, str]) -> int:
    with psycopg.connect(given["DATABASE_URL"]) as connection:
        (count,) = connection.execute("select count(*) from events.event").fetchone() or (0,)
        return int(count)


class TestUpThatWasStopped:
    @pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
    def test_while_it_made_its_cluster_starts_again(self, tmp_path: Path, signal_number: signal.Signals) -> None:
        data = tmp_path / "data"
        first = RunningInstallation(data, "--port", "0", "--empty")
        wait_until(lambda: list(data.glob("postgres*/PG_VERSION")))

        code = first.stop(signal_number)

        assert code == 0
        assert "PostgreSQL: ready" not in first.said
        again = RunningInstallation(data, "--servers-only")
        try:
            again.wait_for("ready: servers only")
        finally:
            assert again.stop() == 0
        assert sorted(path.name for path in data.glob("postgres*") if path.is_dir()) == ["postgres"]


class TestUpThatCannotStart:
    def test_says_which_port_is_busy_and_what_to_do(self, tmp_path: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]

            outcome = manage("up", "--port", str(port), "--data", str(tmp_path))

        assert outcome.returncode == 1
        assert f"Port {port} cannot be used" in outcome.stderr
        assert "--port 0" in outcome.stderr

    def test_says_what_to_check_when_a_given_database_does_not_answer(self, tmp_path: Path) -> None:
        outcome = manage(
            "up",
            *("--port", "0", "--data", str(tmp_path)),
            DATABASE_URL="postgresql://127.0.0.1:1/factfold",
            REDIS_URL="redis://127.0.0.1:1/0",
        )

        assert outcome.returncode == 1
        assert "error: The database could not be prepared" in outcome.stderr
        assert "Check that DATABASE_URL names" in outcome.stderr
        assert "Traceback" not in outcome.stderr

    @pytest.mark.parametrize(
        ("folder", "reason"),
        [
            ("file", "File exists"),
            ("file/below", "Not a directory"),
            ("/proc/factfold", "No such file or directory"),
            pytest.param("/sys/factfold", "", marks=pytest.mark.skipif(sys.platform != "linux", reason="has no /sys")),
        ],
    )
    def test_says_which_folder_cannot_be_used(self, tmp_path: Path, folder: str, reason: str) -> None:
        (tmp_path / "file").touch()

        outcome = manage("up", "--port", "0", "--data", str(tmp_path / folder))

        assert outcome.returncode == 1
        assert outcome.stderr.startswith(f"error: The folder {tmp_path / folder} cannot be used ({reason}")
        assert "Choose a folder you may write to with --data DIR" in outcome.stderr
        assert "Traceback" not in outcome.stderr

    @pytest.mark.parametrize("content", ["", "[]"])
    def test_says_what_to_do_without_its_passwords(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "secrets.json").write_text(content)

        outcome = manage("up", "--port", "0", "--data", str(tmp_path))

        assert outcome.returncode == 1
        assert outcome.stderr.startswith(f"error: {tmp_path / 'secrets.json'} cannot be read (")
        assert "put it back from a copy" in outcome.stderr
        assert "Traceback" not in outcome.stderr

    @pytest.mark.parametrize(("changes", "told"), UNPREPARED)
    def test_says_why_a_database_cannot_be_brought_up_to_date(
        self, servers: Servers, tmp_path: Path, changes: str, told: str
    ) -> None:
        database_url = servers.clone(f"unprepared_{secrets.token_hex(4)}")
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(changes)
        given = {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1/0"}

        started = manage("up", "--port", "0", "--data", str(tmp_path), **given)
        migrated = manage("migrate", FACTFOLD_ANONYMOUS="true", **given)

        assert started.returncode == 1
        assert started.stderr.startswith("error: The database could not be prepared: ")
        assert migrated.returncode != 0
        for outcome in (started, migrated):
            assert told in outcome.stderr
            assert "Traceback" not in outcome.stderr

    @pytest.mark.parametrize("environ", [{}, {"DATABASE_URL": "postgresql://127.0.0.1:1/none"}])
    def test_says_that_nothing_runs_to_a_command_that_needs_an_installation(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        outcome = manage("status", "--data", str(tmp_path), **environ)

        assert outcome.returncode == 2
        assert f"no installation runs in {tmp_path}" in outcome.stderr
