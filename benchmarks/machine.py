"""What a machine was doing while something was measured on it: figures say little without."""

import os
import time
from pathlib import Path
from typing import Any


class Machine:
    """
    Processor time the whole machine and the benchmark spent since this was made.

    The benchmark is this process with its ended children, and the running process `also` with all it descends to.
    """

    def __init__(self, *, also: int | None = None) -> None:
        self._begun = time.perf_counter()
        self._also = also
        self._spent = _spent_seconds()
        self._own = self._own_seconds()

    def told(self) -> dict[str, Any]:
        """This will say how many processors there are and how many were busy on average, all in all and without us."""
        seconds = time.perf_counter() - self._begun
        busy = (_spent_seconds() - self._spent) / seconds
        ours = (self._own_seconds() - self._own) / seconds
        return {
            "processors": len(os.sched_getaffinity(0)),
            "busy": round(busy, 2),
            "busy_with_others": round(max(0.0, busy - ours), 2),
        }

    def _own_seconds(self) -> float:
        spent = os.times()
        own = spent.user + spent.system + spent.children_user + spent.children_system
        return own + (cpu_seconds(*family(self._also)) if self._also else 0.0)


def cpu_seconds(*pids: int) -> float:
    """This will add up the processor time, user and system, of processes and their children that have ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_with_backend(backend_pid: int) -> float:
    """This will give the processor time of this process and a PostgreSQL backend together, to the microsecond."""
    nanoseconds = int(Path(f"/proc/{backend_pid}/schedstat").read_text("ascii").split()[0])
    return nanoseconds / 1e9 + time.process_time()


def family(pid: int) -> list[int]:
    """This will list a process and all it descends to, as far as they run."""
    found = [pid]
    for parent in found:
        try:
            found.extend(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()))
        except FileNotFoundError:
            continue
    return found


def _spent_seconds() -> float:
    """Of all processors: user, nice, system, interrupts."""
    fields = [int(field) for field in Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / os.sysconf("SC_CLK_TCK")
