"""Servers of our own: they start anywhere, die with their parent, and never two of them share a folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from config.embedded.bound_process import ServerFailed, bound_command, sole_use, unprivileged_account
from config.embedded.postgres import EmbeddedPostgres
from config.embedded.valkey import EmbeddedValkey


@pytest.fixture
def started() -> Iterator[Callable[[EmbeddedPostgres | EmbeddedValkey], None]]:
    servers: list[EmbeddedPostgres | EmbeddedValkey] = []

    def starting(server: EmbeddedPostgres | EmbeddedValkey) -> None:
        servers.append(server)
        server.start()

    yield starting
    for server in servers:
        server.stop()


type Started = Callable[[EmbeddedPostgres | EmbeddedValkey], None]


class TestEmbeddedPostgres:
    def test_keeps_its_data_over_kill_and_restart_and_lets_nobody_in_without_the_password(
        self, tmp_path: Path, started: Started
    ) -> None:
        server = EmbeddedPostgres(tmp_path / "private" / "postgres", password="a b/c")
        started(server)
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute("create table kept as select 7 as value")
        assert server.process is not None

        server.process.kill()
        server.process.wait()
        server.start()

        with psycopg.connect(server.url()) as connection:
            assert connection.execute("select value from kept").fetchone() == (7,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://factfold:wrong@127.0.0.1:{server.port}/postgres")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_runs_as_an_unprivileged_account_where_namespaces_are_refused(self, started: Started) -> None:
        # The account has to be able to enter the folder, so it is not one of pytest's private ones.
        folder = Path(f"/tmp/factfold-unprivileged-{os.getpid()}")
        folder.mkdir(mode=0o755)
        half_made = folder / "postgres.new" / "global"
        half_made.mkdir(parents=True)
        server = EmbeddedPostgres(folder / "postgres", password="p", durable=False, identity=unprivileged_account())
        try:
            started(server)

            uid = int(unprivileged_account().split(":")[0])
            assert (folder / "postgres" / "PG_VERSION").stat().st_uid == uid
            assert [path.name for path in folder.iterdir() if path.is_dir()] == ["postgres"]
            with psycopg.connect(server.url()) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
        finally:
            server.stop()
            subprocess.run(["rm", "-rf", str(folder)], check=True)

    def test_makes_no_cluster_over_files_of_somebody_else(self, tmp_path: Path) -> None:
        folder = tmp_path / "postgres"
        folder.mkdir()
        (folder / "letter.txt").write_text("kept")
        server = EmbeddedPostgres(folder, password="p", durable=False)

        with pytest.raises(ServerFailed, match=r"(?s)holds no cluster .*not empty.*--data"):
            server.start()

        assert (folder / "letter.txt").read_text() == "kept"

    def test_says_where_to_look_when_it_cannot_start(self, tmp_path: Path) -> None:
        folder = tmp_path / "postgres"
        folder.mkdir()
        (folder / "PG_VERSION").write_text("18\n")
        server = EmbeddedPostgres(folder, password="p", durable=False)

        with pytest.raises(ServerFailed, match=r"(?s)did not start.*postgres\.log.*--data"):
            server.start()


class TestEmbeddedValkey:
    def test_keeps_what_it_holds_over_a_restart_and_wants_its_password(self, tmp_path: Path, started: Started) -> None:
        server = EmbeddedValkey(tmp_path / "valkey", password="secret")
        started(server)
        with Redis.from_url(server.url()) as client:
            client.set("kept", "7")

        server.stop()
        server.start()

        with Redis.from_url(server.url()) as client:
            assert client.get("kept") == b"7"
        configuration = tmp_path / "valkey" / "valkey.conf"
        assert configuration.stat().st_mode & 0o077 == 0


class TestBoundCommand:
    @pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
    def test_ends_the_child_when_its_parent_is_killed(self) -> None:
        # The child holds the write end of a pipe: the pipe ends exactly when the child does.
        readable, writable = os.pipe()
        parent_program = (
            "import subprocess, sys, time; from config.embedded.bound_process import start_bound; "
            f"child = start_bound(['/bin/sleep', '600'], log=None, pass_fds=({writable},)); "
            "print(child.pid, flush=True); time.sleep(600)"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", parent_program], stdout=subprocess.PIPE, pass_fds=(writable,), cwd=Path.cwd()
        )
        os.close(writable)
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) > 0

        parent.send_signal(signal.SIGKILL)
        parent.wait()

        assert os.read(readable, 1) == b""
        os.close(readable)
        parent.stdout.close()

    def test_refuses_to_start_for_a_parent_that_is_gone(self) -> None:
        command = bound_command(["/bin/true"])
        command[3] = "1"

        outcome = subprocess.run(command, capture_output=True, text=True, check=False)

        assert outcome.returncode != 0
        assert "is gone" in outcome.stderr


class TestSoleUse:
    def test_keeps_a_folder_locked_until_the_last_child_that_inherited_it_is_gone(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        with sole_use(folder, patience_seconds=0) as lock:
            child = subprocess.Popen(["/bin/sleep", "600"], pass_fds=(lock,))

        with pytest.raises(ServerFailed, match="still uses"), sole_use(folder, patience_seconds=0):
            pass
        child.kill()
        child.wait()
        with sole_use(folder, patience_seconds=0):
            pass
