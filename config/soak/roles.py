"""The processes of a soak run: forked, so that a killed one is back in milliseconds, and bound to this one's life."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from config.embedded.bound_process import end_of

_FORK = multiprocessing.get_context("fork")
_PR_SET_PDEATHSIG = 1
_LINES_OF_AN_END = 40


class Role:
    """A part that some process plays; it can be killed, frozen, and played again by another."""

    def __init__(self, name: str, play: Callable[[], object], *, folder: Path) -> None:
        self.name = name
        self._play = play
        self._log = folder / f"{name.replace(' ', '-')}.log"
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """This will begin in a new process, the leader of a group of its own."""
        self._kill_group()
        self._process = _FORK.Process(target=_begin, args=(self._play, self._log, os.getpid()), daemon=False)
        self._process.start()

    @property
    def pid(self) -> int | None:
        """The number of its process, where it has one."""
        return None if self._process is None else self._process.pid

    def has_ended(self) -> bool:
        """Whether its process is gone, however it ended."""
        return self._process is None or not self._process.is_alive()

    def ending(self) -> str:
        """This will tell how a process that has ended came to its end, with the last lines of its log."""
        code = None if self._process is None else self._process.exitcode
        how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return (
            f"{self.name} ended by itself ({how}). The end of {self._log}:\n{end_of(self._log, lines=_LINES_OF_AN_END)}"
        )

    def has_failed(self) -> bool:
        """Whether its process has ended otherwise than it means to."""
        return self._process is not None and self._process.exitcode not in (None, 0)

    def signal(self, number: signal.Signals) -> None:
        """This will send a signal to its process."""
        if self._process is not None and self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """This will end its process as kill -9 does, and forget it."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.join()
        self._kill_group()
        self._process = None

    def _kill_group(self) -> None:
        # What a process had started itself is killed by whoever watches over it, as `config.supervisor` does.
        if self._process is not None and self._process.pid is not None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def _begin(play: Callable[[], object], log: Path, parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
    os.setsid()
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Whoever runs this may have put something else in their place.
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    play()
