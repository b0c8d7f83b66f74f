"""Keeps the processes of an installation running, and ends them in order."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

from config.embedded.bound_process import end_of, start_bound, stop
from config.ready import READY_FD

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_CALM_SECONDS = 30.0
"""A process that lived this long is restarted without a pause again."""


class ProcessFailed(Exception):
    """A process of the installation did not become ready; the message carries the end of its log and what to do."""


class Supervised(Protocol):
    """Something with a process that can be started again."""

    process: subprocess.Popen[bytes] | None

    def start(self) -> None: ...

    def stop(self) -> None: ...


class ChildProcess:
    """
    One of our own processes, with its log (None: it writes where we write).

    It is ready when it says so on the pipe of `config.ready`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path | None,
        environ: Mapping[str, str],
        cwd: Path,
        pass_fds: Sequence[int] = (),
        patience_seconds: float = 15,
    ) -> None:
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._environ = environ
        self._cwd = cwd
        self._pass_fds = pass_fds
        self._patience_seconds = patience_seconds
        self._ready_fd: int | None = None

    def start(self) -> None:
        """This will start the process and return at once."""
        self._end_group()
        readable, writable = os.pipe()
        try:
            with self.log.open("ab") if self.log else nullcontext() as log:
                self.process = start_bound(
                    self._command,
                    log=log,
                    environ={**self._environ, READY_FD: str(writable)},
                    cwd=self._cwd,
                    pass_fds=(*self._pass_fds, writable),
                )
        finally:
            os.close(writable)
        self._forget_readiness()
        self._ready_fd = readable

    def wait_until_ready(self, *, name: str, patience_seconds: float = 60) -> None:
        """
        This will return once the process has said that it is ready.

        Raises: ProcessFailed when it ended or stayed silent.
        """
        if self._ready_fd is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._ready_fd, selectors.EVENT_READ)
            said = os.read(self._ready_fd, 16) if selector.select(patience_seconds) else b""
        self._forget_readiness()
        if not said:
            raise ProcessFailed(
                f"The process `{name}` did not become ready.{self._end_of_log()}\nMend what it names and start again."
            )

    def ask_to_stop(self) -> None:
        """This will ask the process to end, without waiting for it."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """This will end the process and whatever it left behind in its session."""
        if self.process:
            stop(self.process, signal_number=signal.SIGTERM, patience_seconds=self._patience_seconds)
            self._end_group()
            self.process = None
        self._forget_readiness()

    def _end_group(self) -> None:
        # Celery's pool processes outlive a main process that was killed, and would take its messages.
        if self.process:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _end_of_log(self) -> str:
        return f" The end of {self.log}:\n{end_of(self.log)}" if self.log else ""

    def _forget_readiness(self) -> None:
        if self._ready_fd is not None:
            os.close(self._ready_fd)
            self._ready_fd = None


class Supervisor:
    """Watches processes by name; a dead one is started again, after a pause that grows while it keeps dying."""

    def __init__(self, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._watched: dict[str, Supervised] = {}
        self._started_at: dict[str, float] = {}
        self._restart_at: dict[str, float] = {}
        self._pause_seconds: dict[str, float] = {}

    def watch(self, name: str, process: Supervised) -> None:
        """This will keep `process`, which has been started, running from now on."""
        self._watched[name] = process
        self._started_at[name] = time.monotonic()

    def restart_dead(self) -> None:
        """This will start again what has died; call it a few times a second."""
        for name, supervised in self._watched.items():
            process = supervised.process
            if process is not None and process.poll() is None:
                continue
            now = time.monotonic()
            if name not in self._restart_at:
                self._plan_restart(name, now=now, how=_ending(process))
            if now >= self._restart_at[name]:
                del self._restart_at[name]
                self._started_at[name] = now
                try:
                    supervised.start()
                except Exception as error:  # whatever it was, the next attempt comes after a longer pause
                    self._say(f"{name} could not be started: {error}")
                else:
                    self._say(f"{name} is running again (pid {supervised.process.pid if supervised.process else '?'})")

    def stop_all(self) -> None:
        """This will end everything, the last started first; our own processes are asked all at once."""
        for supervised in self._watched.values():
            if isinstance(supervised, ChildProcess):
                supervised.ask_to_stop()
        for supervised in reversed(self._watched.values()):
            supervised.stop()
        self._watched.clear()

    def _plan_restart(self, name: str, *, now: float, how: str) -> None:
        calm = now - self._started_at[name] > _CALM_SECONDS
        pause = 0.0 if calm or name not in self._pause_seconds else self._pause_seconds[name]
        self._pause_seconds[name] = min(max(pause * 2, _FIRST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)
        self._restart_at[name] = now + pause
        log = getattr(self._watched[name], "log", None)
        self._say(f"{name} ended ({how}) and will be started again{f' in {pause:.1f} s; see {log}' if pause else ''}")


def _ending(process: subprocess.Popen[bytes] | None) -> str:
    if process is None or process.returncode is None:
        return "it was not running"
    if process.returncode < 0:
        return f"signal {signal.Signals(-process.returncode).name}"
    return f"exit code {process.returncode}"
