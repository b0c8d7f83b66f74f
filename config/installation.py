"""The data folder of an installation: who holds it, its secrets, and where its servers are."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from config.env import INSTALLATION_FILE, RunningInstallation, read_installation

SAMPLE_FILE = "sample-begun.json"


class FolderInUse(Exception):
    """An installation already runs on this folder; use it, stop it, or choose another folder with --data."""


class FolderUnusable(Exception):
    """An installation cannot keep its things in this folder; the message says why and what to do."""


class Installation:
    """One data folder, held by one `manage.py up` at a time. Everything in it is readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self._lock: IO[str] | None = None

    def take(self) -> None:
        """
        This will make the folder if need be and hold it until `leave` or the end of this process.

        Raises: FolderInUse, FolderUnusable.
        """
        with self._used():
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.logs.mkdir(exist_ok=True, mode=0o700)
            lock = self._locked()
            self._withdraw()
        self._lock = lock

    def _locked(self) -> IO[str]:
        lock = (self.folder / "up.lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            running = read_installation(self.folder)
            at = f" at {running.api_url}" if running and running.api_url else ""
            where = f"{at} (process {running.pid})" if running else " (it is still starting)"
            raise FolderInUse(
                f"Factfold already runs on {self.folder}{where}.\n"
                "Use that one, stop it with Ctrl-C or `kill`, or start another one with --data OTHER_FOLDER."
            ) from None
        return lock

    def secret(self, name: str) -> str:
        """
        This will give a random secret that stays the same for this folder.

        Raises: FolderUnusable.
        """
        file = self.folder / "secrets.json"
        try:
            with self._used():
                known = msgspec.json.decode(file.read_bytes(), type=dict[str, str]) if file.exists() else {}
                if name not in known:
                    known[name] = secrets.token_urlsafe(24)
                    self._write_private(file, known)
        except msgspec.MsgspecError as error:
            raise FolderUnusable(
                f"{file} cannot be read ({error}). It holds the passwords of the servers in this folder: put it back "
                "from a copy, or choose another folder with --data. Where nothing in the folder is worth keeping, "
                "remove the folder and start again."
            ) from None
        return known[name]

    def announce(self, running: RunningInstallation) -> None:
        """
        This will let other commands find the running servers.

        Raises: FolderUnusable.
        """
        with self._used():
            self._write_private(self.folder / INSTALLATION_FILE, running)

    def sample_begun(self) -> str | None:
        """The database into which loading the sample was begun and has not come to its end."""
        try:
            return msgspec.json.decode((self.folder / SAMPLE_FILE).read_bytes(), type=str)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def begin_sample(self, database: str) -> None:
        """
        This will note that loading the sample into a database is begun.

        Raises: FolderUnusable.
        """
        with self._used():
            self._write_private(self.folder / SAMPLE_FILE, database)

    def sample_ended(self) -> None:
        """This will note that the sample is loaded."""
        (self.folder / SAMPLE_FILE).unlink(missing_ok=True)

    def leave(self) -> None:
        """This will let go of the folder, if it was taken."""
        if self._lock:
            self._withdraw()
            self._lock.close()
            self._lock = None

    @contextmanager
    def _used(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = f": {error.filename}" if error.filename else ""
            raise FolderUnusable(
                f"The folder {self.folder} cannot be used ({error.strerror}{what}).\n"
                "Choose a folder you may write to with --data DIR, or mend this one."
            ) from error

    def _withdraw(self) -> None:
        (self.folder / INSTALLATION_FILE).unlink(missing_ok=True)

    def _write_private(self, file: Path, content: object) -> None:
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
            writing.write(msgspec.json.format(msgspec.json.encode(content), indent=1))
            writing.flush()
            # A name that outlives the machine's power while its content does not would be an empty file.
            os.fsync(writing.fileno())
        fresh.replace(file)
