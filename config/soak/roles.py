"""The processes of a soak run: forked, so that a killed one is back in milliseconds, and bound to this one's life."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORK = multiprocessing.get_context("fork")
_PR_SET_PDEATHSIG = 1


class Role:
    """A part that some process plays; it can be killed, frozen, and played again by another."""

    def __init__(self, name: str, play: Callable[[], object], *, log: Path) -> None:
        self.name = name
        self._play = play
        self._log = log
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """This will begin in a new process."""
        self._process = _FORK.Process(target=_begin, args=(self._play, self._log, os.getpid()), daemon=True)
        self._process.start()

    def has_ended(self) -> bool:
        """Whether its process is gone, however it ended."""
        return self._process is None or not self._process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """This will send a signal to its process."""
        if self._process is not None and self._process.pid is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """This will end its process as kill -9 does."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.join()


def _begin(play: Callable[[], object], log: Path, parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    play()
