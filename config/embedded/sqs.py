"""An emulator of SQS (and of Lambda) in a process of its own, for trials: what it holds, it holds in memory."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from config.embedded.bound_process import ProgramMissing, ServerFailed, end_of, free_port, start_bound, stop

_PATIENCE_SECONDS = 60
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
"""What its clients have to say; it takes anything."""
_DIRECT: Any = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmulatedSqs:
    """The emulator, reachable by HTTP on the loopback address; `folder` takes its log and scratch files."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.folder = folder.absolute()
        self.log = self.folder / "emulator.log"
        self.port = port or free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint its clients are given."""
        return f"http://127.0.0.1:{self.port}"

    def queue_url(self, name: str) -> str:
        """This will give the address of a queue, whether it exists or not."""
        return f"{self.url}/000000000000/{name}"

    def start(self) -> None:
        """
        This will start the emulator and return once it answers.

        Raises: ProgramMissing, ServerFailed.
        """
        if find_spec("ministack") is None:
            raise ProgramMissing("The emulator of SQS is not installed: it comes with requirements.lock.")
        self.folder.mkdir(parents=True, exist_ok=True)
        environ = {
            **os.environ,
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "LOG_LEVEL": "WARNING",
            "TMPDIR": str(self.folder),
        }
        environ.pop("DJANGO_SETTINGS_MODULE", None)
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "ministack"]
            self.process = start_bound(command, log=log, environ=environ, cwd=self.folder)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerFailed(f"The emulator of SQS did not start. The end of {self.log}:\n{end_of(self.log)}")
            time.sleep(0.02)

    def stop(self) -> None:
        """This will end the emulator."""
        if self.process:
            stop(self.process, signal_number=signal.SIGTERM, patience_seconds=10)
            self.process = None

    def _answers(self) -> bool:
        try:
            with _DIRECT.open(f"{self.url}/_ministack/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
