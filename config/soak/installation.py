"""The installation of a soak run: its servers and processes, what happens to them, and what must hold at rest."""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg
from django.conf import settings
from redis.exceptions import RedisError

import config.asgi
import config.serve
from config.catching_up import read_progress
from config.embedded.postgres import EmbeddedPostgres
from config.embedded.sqs import EmulatedSqs
from config.embedded.valkey import EmbeddedValkey
from config.soak.board import Board
from config.soak.client import Client, NoAnswer, WrongAnswer
from config.soak.doors import LISTENERS, Door, DoorName
from config.soak.faults import Fault
from config.soak.ledger import LedgerBroken, LedgerCheck, check_ledgers, check_told, read_ledger
from config.soak.rebuilder import rebuild
from config.soak.relay import UNREACHABLE, patient, relay
from config.soak.roles import Role
from config.soak.watcher import watch
from config.soak.writer import write
from config.worker import run_worker
from projections.verify import Difference, Verified, verify
from queries.rest.pages import make_pages

API = "api"
REBUILD = "rebuild"
MAPPING = "mapping"
COUNTED = ("bells", "dropped", "doubled", "delayed", "events seen", "looks at Redis", "switches")
_WATCH_SECONDS = 0.02
_REST_PATIENCE_SECONDS = 60
_FROZEN_SECONDS = 0.4
_HEAD_START_SECONDS = 0.2
_WRITERS, _SENDERS, _WORKERS = 2, 4, 2


class Servers(NamedTuple):
    """What an installation stands on; `queue` where a door with SQS is in play."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    queue: EmulatedSqs | None


class EndedByItself(Exception):
    """A process ended though nobody had killed it; the message carries the end of its log."""


class NotAtRest(Exception):
    """The installation did not catch up by itself; the message says what was left."""


class Installation:
    """Servers and processes of their own, which things happen to."""

    def __init__(self, folder: Path, servers: Servers, *, seed: int) -> None:
        self._seed = str(seed)
        self._servers = servers
        self._folder = folder
        self._senders = {
            f"writer {writer}": [f"sender {writer}.{number}" for number in range(_SENDERS)]
            for writer in range(_WRITERS)
        }
        self._ledgers = {
            sender: folder / f"{sender.replace(' ', '-')}.ledger" for many in self._senders.values() for sender in many
        }
        self._findings = folder / "findings"
        self._board = Board((*(f"{name} rests" for name in self._ledgers), "resting", *COUNTED))
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._address = self._listening.getsockname()
        # As is what the api makes before it answers.
        make_pages()
        self._door: Door | None = None
        self._roles = self._cast(self._parts())
        self._endings: list[str] = []
        self._thaw: dict[str, float] = {}
        self._prefix: list[int] = []

    def _parts(self) -> Mapping[str, Callable[[], object]]:
        board = self._board
        urls = {"database_url": settings.FACTFOLD.database_url, "redis_url": settings.FACTFOLD.redis_url}
        parts: dict[str, Callable[[], object]] = {
            writer: partial(
                write,
                {sender: self._ledgers[sender] for sender in senders},
                board=board,
                address=self._address,
                findings=self._findings,
                seed=self._seed,
            )
            for writer, senders in self._senders.items()
        }
        parts[API] = partial(_serve, self._listening)
        parts[REBUILD] = partial(rebuild, board=board, database_url=urls["database_url"], findings=self._findings)
        parts["watcher"] = partial(watch, board=board, findings=self._findings, **urls)
        return parts

    def _parts_at(self, door: Door) -> Mapping[str, Callable[[], object]]:
        """Who rings, who passes on and who answers: those whose settings are the door's."""
        parts = {
            "relay": lambda: relay(door.line(), board=self._board, seed=self._seed),
            **door.parts,
            **{f"worker {number}": lambda: run_worker(settings.FACTFOLD) for number in range(_WORKERS)},
        }

        def entering(play: Callable[[], object]) -> None:
            door.enter()
            play()

        return {name: partial(entering, play) for name, play in parts.items()}

    def _cast(self, parts: Mapping[str, Callable[[], object]]) -> dict[str, Role]:
        return {name: Role(name, play, folder=self._folder) for name, play in parts.items()}

    def start(self) -> None:
        """This will start every process; a rebuild is begun by a fault."""
        for name, role in self._roles.items():
            if name != REBUILD:
                role.start()

    def end(self) -> None:
        """This will end every process."""
        for role in self._roles.values():
            role.kill()
        self._listening.close()
        if self._door is not None:
            self._door.close()

    def move_to(self, name: DoorName) -> None:
        """This will have everybody ring and answer at another door from now on; what was under way there is lost."""
        if self._door is not None:
            if self._door.name == name:
                return
            for left in self._parts_at(self._door):
                self._roles.pop(left).kill()
                self._thaw.pop(left, None)
            self._door.close()
        self._door = Door(name, queue=self._servers.queue)
        self._door.make_queues()
        entered = self._cast(self._parts_at(self._door))
        self._roles |= entered
        for role in entered.values():
            role.start()

    def counted(self) -> Mapping[str, int]:
        """This will give what processes have counted so far, by the names of `COUNTED`."""
        return {name: self._board[name] for name in COUNTED}

    def work(self, seconds: float, faults: list[Fault]) -> list[str]:
        """This will let everybody work while the faults happen, and tell what happened."""
        happened: list[str] = []
        began = time.monotonic()
        waiting = list(faults)
        self._board["resting"] = 0
        while (elapsed := time.monotonic() - began) < seconds or waiting:
            while waiting and waiting[0].at_seconds <= elapsed:
                fault = waiting.pop(0)
                paused = time.monotonic()
                happened.append(self._make_happen(fault))
                # The time a server takes to come back is not time to work.
                began += time.monotonic() - paused
            self._keep_running()
            time.sleep(_WATCH_SECONDS)
        return happened

    def come_to_rest(self) -> None:
        """
        This will wait until nobody writes, all that was written can be read, and every bell passed on was heard.

        Raises: NotAtRest.
        """
        self._board["resting"] = 1
        deadline = time.monotonic() + _REST_PATIENCE_SECONDS
        self._wait_until(lambda: all(self._board[f"{sender} rests"] for sender in self._ledgers), deadline)
        # What writers had sent before they were killed may still be under way: it ends with the process.
        self._restart(API)
        self._wait_until(self._is_at_rest, deadline)

    def _wait_until(self, holds: Callable[[], bool], deadline: float) -> None:
        while not holds():
            if time.monotonic() > deadline:
                raise NotAtRest(f"still at work after {_REST_PATIENCE_SECONDS} s: {self._progress()}")
            self._keep_running()
            time.sleep(_WATCH_SECONDS)

    def check(self) -> tuple[Verified, LedgerCheck]:
        """
        This will compare the log, the tables, Redis, and what the writers and the watcher know.

        Raises: Difference, EndedByItself, LedgerBroken.
        """
        if self._endings:
            raise EndedByItself("\n".join(self._endings))
        if self._findings.exists():
            raise LedgerBroken(f"seen while at work: {self._findings.read_text(encoding='utf-8')}")
        with (
            psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection,
            patient(settings.FACTFOLD.redis_url) as redis,
        ):
            verified = verify(connection, redis)
            sent = [read_ledger(file) for file in self._ledgers.values()]
            ledgers = check_ledgers(connection, sent)
            try:
                check_told(connection, Client(self._address).came_to, sent)
            except (NoAnswer, WrongAnswer) as answer:
                raise LedgerBroken(f"the api at rest: {answer}") from answer
            # Every command was found sound, so every event can be folded.
            parked = connection.execute("select stream, error from projections.parked order by position").fetchone()
            placed = [row[0] for row in connection.execute("select event_id from events.log order by position")]
        if parked is not None:
            raise Difference(f"{parked[0]} is parked: {parked[1]}")
        if placed[: len(self._prefix)] != self._prefix:
            raise LedgerBroken("positions that were seen in an earlier round hold other events now")
        self._prefix = placed
        return verified, ledgers

    def _make_happen(self, fault: Fault) -> str:
        action, _, target = fault.kind.partition(" ")
        match fault.kind:
            case "kill postgres":
                self._kill_server(self._servers.postgres)
            case "kill valkey":
                self._kill_server(self._servers.valkey)
            case "kill backend":
                self._to_a_session(fault, lambda connection, pid: os.kill(pid, signal.SIGKILL))
            case "cut session":
                self._to_a_session(
                    fault, lambda connection, pid: connection.execute("select pg_terminate_backend(%s)", [pid])
                )
            case "flushall":
                self._flush()
            case "kill queue":
                self._kill_server(self._servers.queue)
                self._at_the_door().make_queues()
            case "purge queue":
                self._purge()
            case "kill mapping":
                # AWS gives up the processes of a function together with what feeds them.
                fed = [MAPPING, *(f"listener {number}" for number in range(LISTENERS))]
                for name in fed:
                    self._roles[name].kill()
                    self._thaw.pop(name, None)
                for name in fed:
                    self._roles[name].start()
            case "begin rebuild":
                if self._roles[REBUILD].has_ended():
                    self._roles[REBUILD].start()
            case "kill rebuild":
                if self._roles[REBUILD].has_ended():
                    self._roles[REBUILD].start()
                    time.sleep(_HEAD_START_SECONDS)
                self._roles[REBUILD].kill()
            case _:
                named = sorted(name for name in self._roles if name.partition(" ")[0] == target)
                target = named[fault.which % len(named)]
                if action == "kill":
                    self._restart(target)
                else:
                    self._roles[target].signal(signal.SIGSTOP)
                    self._thaw[target] = time.monotonic() + _FROZEN_SECONDS
                return f"{action} {target}"
        return fault.kind

    def _restart(self, name: str) -> None:
        self._roles[name].kill()
        self._thaw.pop(name, None)
        self._roles[name].start()

    def _kill_server(self, server: EmbeddedPostgres | EmbeddedValkey | EmulatedSqs | None) -> None:
        if server is not None and server.process is not None:
            server.process.kill()
            server.process.wait()
            server.start()

    def _to_a_session(self, fault: Fault, act: Callable[[psycopg.Connection, int], object]) -> None:
        try:
            with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True, connect_timeout=5) as connection:
                pids = [
                    pid
                    for (pid,) in connection.execute(
                        "select pid from pg_stat_activity where backend_type = 'client backend' "
                        "and pid <> pg_backend_pid() order by pid"
                    )
                ]
                if pids:
                    act(connection, pids[fault.which % len(pids)])
        except psycopg.OperationalError:
            pass

    def _flush(self) -> None:
        with patient(settings.FACTFOLD.redis_url) as redis:
            try:
                redis.flushall()
            except RedisError:
                pass

    def _purge(self) -> None:
        try:
            self._at_the_door().line().purge()
        except UNREACHABLE:
            pass

    def _at_the_door(self) -> Door:
        if self._door is None:
            raise RuntimeError("move_to() comes first")
        return self._door

    def _keep_running(self) -> None:
        now = time.monotonic()
        for name, at in list(self._thaw.items()):
            if at <= now:
                self._roles[name].signal(signal.SIGCONT)
                del self._thaw[name]
        for name, role in self._roles.items():
            if role.has_failed() or (name != REBUILD and role.has_ended()):
                self._endings.append(role.ending())
                role.kill()
                if name != REBUILD:
                    role.start()

    def _is_at_rest(self) -> bool:
        if self._thaw or not self._roles[REBUILD].has_ended():
            return False
        try:
            with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True, connect_timeout=5) as connection:
                # A session of an api that was killed may still be at its last commands.
                left = connection.execute(
                    "select count(*) from pg_stat_activity where application_name like %s and application_name <> %s",
                    [_application_name("%"), _application_name(self._roles[API].pid)],
                ).fetchone()
            progress = read_progress(settings.FACTFOLD.database_url, settings.FACTFOLD.redis_url)
            unheard = self._at_the_door().line().unheard()
        except (psycopg.OperationalError, *UNREACHABLE):
            return False
        return left == (0,) and progress.done and not unheard

    def _progress(self) -> object:
        try:
            return read_progress(settings.FACTFOLD.database_url, settings.FACTFOLD.redis_url)
        except (psycopg.OperationalError, RedisError) as error:
            return error


def _application_name(process: int | str | None) -> str:
    return f"soak api {process}"


def _serve(listening: socket.socket) -> None:
    os.environ["PGAPPNAME"] = _application_name(os.getpid())
    config.serve.main([str(listening.fileno())])
