"""Dead processes come back, stubborn ones are paced, and nothing is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.supervisor import ChildProcess, ProcessFailed, Supervisor

READY = "import os, time; os.write(int(os.environ['FACTFOLD_READY_FD']), b'ready'); time.sleep(600)"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[str], ChildProcess]]:
    made: list[ChildProcess] = []

    def making(program: str) -> ChildProcess:
        process = ChildProcess(
            [sys.executable, "-c", program], log=tmp_path / "child.log", environ=dict(os.environ), cwd=tmp_path
        )
        made.append(process)
        return process

    yield making
    for process in made:
        process.stop()


def running(process: ChildProcess) -> subprocess.Popen[bytes]:
    assert process.process is not None
    return process.process


class TestChildProcess:
    def test_is_ready_when_it_says_so(self, child: Callable[[str], ChildProcess]) -> None:
        process = child(READY)

        process.start()
        process.wait_until_ready(name="child")

        assert running(process).poll() is None

    def test_tells_the_end_of_the_log_of_one_that_died_before_it_was_ready(
        self, child: Callable[[str], ChildProcess]
    ) -> None:
        process = child("raise SystemExit('no such queue')")
        process.start()

        with pytest.raises(ProcessFailed, match=r"(?s)`child` did not become ready.*no such queue"):
            process.wait_until_ready(name="child")

    def test_takes_what_a_killed_process_left_behind_with_it(self, child: Callable[[str], ChildProcess]) -> None:
        # The grandchild holds the write end of a pipe: the pipe ends exactly when the grandchild does.
        readable, writable = os.pipe()
        os.set_inheritable(writable, True)
        process = ChildProcess(
            [
                sys.executable,
                "-c",
                f"import subprocess; subprocess.Popen(['/bin/sleep', '600'], pass_fds=[{writable}]);{READY}",
            ],
            log=None,
            environ=dict(os.environ),
            cwd=Path.cwd(),
            pass_fds=(writable,),
        )
        process.start()
        os.close(writable)
        process.wait_until_ready(name="child")
        running(process).kill()
        running(process).wait()

        process.stop()

        assert os.read(readable, 1) == b""
        os.close(readable)


class TestSupervisor:
    def test_starts_a_killed_process_again_and_says_so(self, child: Callable[[str], ChildProcess]) -> None:
        said: list[str] = []
        supervisor = Supervisor(say=said.append)
        process = child(READY)
        process.start()
        supervisor.watch("child", process)
        first = running(process)
        first.kill()
        first.wait()

        supervisor.restart_dead()

        assert running(process).pid != first.pid
        assert said == [
            "child ended (signal SIGKILL) and will be started again",
            f"child is running again (pid {running(process).pid})",
        ]

    def test_waits_before_it_starts_one_again_that_keeps_dying(self, child: Callable[[str], ChildProcess]) -> None:
        said: list[str] = []
        supervisor = Supervisor(say=said.append)
        process = child("raise SystemExit(3)")
        process.start()
        supervisor.watch("child", process)
        running(process).wait()
        supervisor.restart_dead()
        second = running(process)
        second.wait()

        supervisor.restart_dead()

        assert running(process) is second
        assert said[-1].startswith("child ended (exit code 3) and will be started again in 0.2 s; see ")

    def test_stops_everything(self, child: Callable[[str], ChildProcess]) -> None:
        supervisor = Supervisor(say=print)
        process = child(READY)
        process.start()
        process.wait_until_ready(name="child")
        supervisor.watch("child", process)
        popen = running(process)

        supervisor.stop_all()

        assert popen.returncode == -signal.SIGTERM
        assert process.process is None
