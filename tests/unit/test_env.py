"""Settings come from the environment, once, and everything wrong is told at once."""

import json
from pathlib import Path

import pytest

from config.env import INSTALLATION_FILE, EnvironmentInvalid, read_settings

SERVERS = {"DATABASE_URL": "postgresql://127.0.0.1/factfold", "REDIS_URL": "redis://127.0.0.1/0"}
OPEN = {**SERVERS, "FACTFOLD_ANONYMOUS": "true"}


class TestReadSettings:
    def test_needs_only_the_two_servers_where_anybody_may_read_and_write(self) -> None:
        settings = read_settings(OPEN)

        assert (settings.doorbell, settings.shards, settings.anonymous) == ("celery", 8, True)
        assert settings.allowed_hosts == ("127.0.0.1", "localhost", "[::1]")

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

    def test_finds_the_installation_that_runs_in_the_data_folder(self, tmp_path: Path) -> None:
        running = {"database_url": "postgresql://here/a", "redis_url": "redis://here/0", "secret_key": "s", "pid": 7}
        (tmp_path / INSTALLATION_FILE).write_text(json.dumps(running))

        settings = read_settings({"FACTFOLD_DATA": str(tmp_path)})

        assert settings.database_url == "postgresql://here/a"
        assert settings.redis_url == "redis://here/0"
        assert settings.secret_key == "s"

    def test_takes_nothing_from_the_folder_when_a_database_is_named(self, tmp_path: Path) -> None:
        (tmp_path / INSTALLATION_FILE).write_text(json.dumps({"database_url": "postgresql://here/a"}))

        settings = read_settings({**OPEN, "FACTFOLD_DATA": str(tmp_path)})

        assert settings.database_url == SERVERS["DATABASE_URL"]

    def test_treats_a_half_written_installation_file_as_none(self, tmp_path: Path) -> None:
        (tmp_path / INSTALLATION_FILE).write_text('{"database_url": ')

        with pytest.raises(EnvironmentInvalid, match="nothing is running in"):
            read_settings({"FACTFOLD_DATA": str(tmp_path)})

    def test_splits_host_names_at_commas(self) -> None:
        settings = read_settings({**OPEN, "FACTFOLD_ALLOWED_HOSTS": "a.example, b.example,"})

        assert settings.allowed_hosts == ("a.example", "b.example")
