"""Child processes that end with their parent, however it ends."""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

_EXEC_BOUND = Path(__file__).with_name("exec_bound.py")


class ProgramMissing(Exception):
    """A server program is not installed; the message says which variable or package brings it."""


class ServerFailed(Exception):
    """An embedded server did not start; the message carries the end of its log and what to do."""


def bound_command(
    command: Sequence[str | Path], *, death_signal: signal.Signals = signal.SIGTERM, identity: str = "same"
) -> list[str]:
    """
    This will give the command line that runs `command` so that it gets `death_signal` when its parent dies.

    Linux sends the signal when the *thread* that started the child ends: start such children in the main thread.
    """
    return [
        sys.executable,
        "-IS",
        str(_EXEC_BOUND),
        str(os.getpid()),
        str(int(death_signal)),
        identity,
        *map(str, command),
    ]


def start_bound(
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | None,
    death_signal: signal.Signals = signal.SIGTERM,
    identity: str = "same",
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """This will start `command` in a session of its own, so that Ctrl-C reaches only the parent."""
    return subprocess.Popen(
        bound_command(command, death_signal=death_signal, identity=identity),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environ,
        cwd=cwd or "/",
        start_new_session=True,
        pass_fds=pass_fds,
    )


@contextmanager
def sole_use(folder: Path, *, patience_seconds: float) -> Iterator[int]:
    """
    This will lock `folder` and give the file descriptor that holds the lock.

    Pass it to a child: the folder then stays locked until the last process that inherited it is gone, so that a
    server killed a moment ago cannot write beside its successor.

    Raises: ServerFailed when another process keeps the folder.
    """
    deadline = time.monotonic() + patience_seconds
    with folder.with_name(folder.name + ".lock").open("ab") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise ServerFailed(
                        f"Another process still uses {folder}. End it, or choose another folder with --data."
                    ) from None
                time.sleep(0.02)
        yield file.fileno()


def stop(process: subprocess.Popen[bytes], *, signal_number: signal.Signals, patience_seconds: float) -> bool:
    """This will ask the process to end and kill it after `patience_seconds`; True if it ended by itself."""
    if process.poll() is not None:
        return True
    process.send_signal(signal_number)
    try:
        process.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


@cache
def identity_other_than_root() -> str:
    """
    This will tell how a program that refuses to run as root can be run here.

    `same` for an ordinary user; for root a user namespace, or where those are refused an unprivileged account.

    Raises: ServerFailed when there is no way.
    """
    if os.geteuid() != 0:
        return "same"
    if sys.platform == "linux":
        probe = bound_command([shutil.which("true") or "/bin/true"], identity="namespace")
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            return "namespace"
    return unprivileged_account()


def unprivileged_account() -> str:
    """This will give `UID:GID` of an account without rights that exists on this machine."""
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return f"{account.pw_uid}:{account.pw_gid}"
    raise ServerFailed(
        "PostgreSQL does not run as root, and this machine refuses user namespaces and has no account `nobody`. "
        "Run as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
    )


def free_port() -> int:
    """This will give a TCP port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end_of(log: Path, *, lines: int = 12) -> str:
    """This will give the last lines of a log file, indented for an error message."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "    (no log was written)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
