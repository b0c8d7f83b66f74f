"""Settings come from the environment, once, and everything wrong is told at once."""

from pathlib import Path

import msgspec
import pytest

from config.env import INSTALLATION_FILE, EnvironmentInvalid, RunningInstallation, read_settings

SERVERS = {"DATABASE_URL": "postgresql://127.0.0.1/factfold", "REDIS_URL": "redis://127.0.0.1/0"}
OPEN = {**SERVERS, "FACTFOLD_ANONYMOUS": "true"}


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """The folder of an installation that runs."""
    environ = {
        "DATABASE_URL": "postgresql://here/a",
        "REDIS_URL": "redis://here/0",
        "FACTFOLD_SECRET_KEY": "s",
        "FACTFOLD_DOORBELL": "sqs",
        "FACTFOLD_SQS_QUEUE_URL": "http://here/bells",
    }
    told = RunningInstallation(api_url="http://here", pid=7, environ=environ)
    (tmp_path / INSTALLATION_FILE).write_bytes(msgspec.json.encode(told))
    return tmp_path


class TestReadSettings:
    def test_needs_only_the_two_servers_where_anybody_may_read_and_write(self) -> None:
        settings = read_settings(OPEN)

        assert (settings.doorbell, settings.shards, settings.anonymous) == ("celery", 8, frozenset({"read", "write"}))
        assert settings.allowed_hosts == ("127.0.0.1", "localhost", "[::1]")

    @pytest.mark.parametrize(
        ("said", "scopes"),
        [("1", {"read", "write"}), ("TRUE", {"read", "write"}), ("read", {"read"}), ("off", set()), ("", set())],
    )
    def test_knows_who_needs_no_key(self, said: str, scopes: set[str]) -> None:
        settings = read_settings({**SERVERS, "FACTFOLD_SECRET_KEY": "s", "FACTFOLD_ANONYMOUS": said})

        assert settings.anonymous == scopes

    def test_is_closed_and_wants_a_secret_unless_told_otherwise(self) -> None:
        with pytest.raises(EnvironmentInvalid) as refused:
            read_settings(SERVERS)

        assert [problem.split()[0] for problem in refused.value.problems] == ["FACTFOLD_SECRET_KEY"]

    def test_names_every_problem_at_once(self, tmp_path: Path) -> None:
        environ = {
            "FACTFOLD_DATA": str(tmp_path),
            "REDIS_URL": "http://127.0.0.1",
            "FACTFOLD_ANONYMOUS": "perhaps",
            "FACTFOLD_SECRET_KEY": "s",
            "FACTFOLD_DOORBELL": "sqs",
            "FACTFOLD_SHARDS": "0",
            "FACTFOLD_MIN_POSITION_WAIT_MS": "long",
        }

        with pytest.raises(EnvironmentInvalid) as refused:
            read_settings(environ)

        named = sorted(problem.split()[0] for problem in refused.value.problems)
        assert named == [
            "DATABASE_URL",
            "FACTFOLD_ANONYMOUS",
            "FACTFOLD_MIN_POSITION_WAIT_MS",
            "FACTFOLD_SHARDS",
            "FACTFOLD_SQS_QUEUE_URL",
            "REDIS_URL",
        ]
        assert all(problem in str(refused.value) for problem in refused.value.problems)

    def test_tells_an_unknown_doorbell_which_ones_there_are(self) -> None:
        with pytest.raises(EnvironmentInvalid, match="'gong'; use celery or celery-sqs or sqs"):
            read_settings({**OPEN, "FACTFOLD_DOORBELL": "gong"})

    def test_finds_the_installation_that_runs_in_the_data_folder(self, running: Path) -> None:
        settings = read_settings({"FACTFOLD_DATA": str(running)})

        assert settings.database_url == "postgresql://here/a"
        assert settings.redis_url == "redis://here/0"
        assert settings.secret_key == "s"
        assert (settings.doorbell, settings.sqs_queue_url) == ("sqs", "http://here/bells")

    @pytest.mark.parametrize("named", [{"DATABASE_URL": "postgresql://here/a"}, {"REDIS_URL": "redis://here/0"}])
    def test_takes_what_is_not_named_from_the_installation_that_has_the_server_that_is(
        self, running: Path, named: dict[str, str]
    ) -> None:
        settings = read_settings({"FACTFOLD_DATA": str(running), "FACTFOLD_DOORBELL": "celery", **named})

        assert (settings.database_url, settings.redis_url) == ("postgresql://here/a", "redis://here/0")
        assert settings.doorbell == "celery"

    def test_is_open_to_anybody_with_the_installation_only_where_no_server_is_named(self, tmp_path: Path) -> None:
        environ = {**OPEN, "FACTFOLD_SECRET_KEY": "s"}
        told = RunningInstallation(api_url="http://here", pid=7, environ=environ)
        (tmp_path / INSTALLATION_FILE).write_bytes(msgspec.json.encode(told))

        found = read_settings({"FACTFOLD_DATA": str(tmp_path)})
        named = read_settings({"FACTFOLD_DATA": str(tmp_path), **SERVERS})

        assert found.anonymous > named.anonymous == frozenset()
        assert named.secret_key == "s"

    @pytest.mark.parametrize(
        ("named", "missing"),
        [({"DATABASE_URL": "postgresql://there/a"}, "REDIS_URL"), ({"REDIS_URL": "redis://there/0"}, "DATABASE_URL")],
    )
    def test_takes_nothing_from_an_installation_with_other_servers(
        self, running: Path, named: dict[str, str], missing: str
    ) -> None:
        with pytest.raises(EnvironmentInvalid, match=f"what runs in {running} has other servers") as refused:
            read_settings({"FACTFOLD_DATA": str(running), "FACTFOLD_ANONYMOUS": "true", **named})

        assert [problem.split()[0] for problem in refused.value.problems] == [missing]

    def test_passes_over_a_folder_it_may_not_enter(self, tmp_path: Path) -> None:
        (tmp_path / INSTALLATION_FILE).mkdir()

        assert read_settings({"FACTFOLD_DATA": str(tmp_path), **OPEN}).anonymous

    def test_treats_a_half_written_installation_file_as_none(self, tmp_path: Path) -> None:
        (tmp_path / INSTALLATION_FILE).write_text('{"database_url": ')

        with pytest.raises(EnvironmentInvalid, match="nothing is running in"):
            read_settings({"FACTFOLD_DATA": str(tmp_path)})

    def test_splits_host_names_at_commas(self) -> None:
        settings = read_settings({**OPEN, "FACTFOLD_ALLOWED_HOSTS": "a.example, b.example,"})

        assert settings.allowed_hosts == ("a.example", "b.example")
