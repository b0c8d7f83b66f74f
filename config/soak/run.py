"""The rounds of a soak run: work under fire, come to rest, compare everything with everything."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import psycopg
from django.conf import settings
from django.core.management import call_command
from redis.exceptions import RedisError

from config.catching_up import read_progress
from config.embedded.postgres import EmbeddedPostgres
from config.embedded.valkey import EmbeddedValkey
from config.soak.board import Board
from config.soak.faults import Fault, draw_faults
from config.soak.ledger import LedgerBroken, LedgerCheck, check_ledgers, read_ledger
from config.soak.listener import listen
from config.soak.rebuilder import rebuild
from config.soak.relay import patient, relay
from config.soak.roles import Role
from config.soak.watcher import watch
from config.soak.writer import APPLICATION_NAME, write
from config.worker import run_worker
from projections.verify import Difference, Verified, verify

REBUILD = "rebuild"
_WATCH_SECONDS = 0.02
_REST_PATIENCE_SECONDS = 60
_FROZEN_SECONDS = 0.4


class Plan(NamedTuple):
    """How a run is played; `seconds` is how long work goes on in one round."""

    seed: int
    seconds: float
    faults: int
    writers: int = 2
    workers: int = 2
    listeners: int = 2


class Totals(msgspec.Struct, kw_only=True):
    """What a run has been through."""

    rounds: int = 0
    kills: int = 0
    other_faults: int = 0
    ended_by_themselves: int = 0
    bells: int = 0
    dropped: int = 0
    doubled: int = 0
    delayed: int = 0
    accepted: int = 0
    refused: int = 0
    unheard: int = 0
    unheard_with_effect: int = 0
    events: int = 0
    events_checked: int = 0
    events_seen_live: int = 0
    looks_at_redis: int = 0
    switches_to_a_rebuild: int = 0


class NotAtRest(Exception):
    """The installation did not catch up by itself; the message says what was left."""


class Installation:
    """Servers and processes of their own, which things happen to."""

    def __init__(self, folder: Path, servers: tuple[EmbeddedPostgres, EmbeddedValkey], plan: Plan) -> None:
        self.ended_by_themselves = 0
        self._plan = plan
        self._postgres, self._valkey = servers
        self._folder = folder
        self._writers = [f"writer {number}" for number in range(plan.writers)]
        self._findings = folder / "findings"
        self._board = Board(
            (
                *(f"{name} rests" for name in self._writers),
                *("resting", "bells", "dropped", "doubled", "delayed", "events seen", "looks at Redis", "switches"),
            )
        )
        self._roles = {name: Role(name, play, log=folder / "roles.log") for name, play in self._parts().items()}
        self._thaw: dict[str, float] = {}
        self._prefix: list[int] = []

    def _parts(self) -> Mapping[str, Callable[[], object]]:
        plan, board, seed = self._plan, self._board, str(self._plan.seed)
        urls = {"database_url": settings.FACTFOLD.database_url, "redis_url": settings.FACTFOLD.redis_url}
        parts: dict[str, Callable[[], object]] = {
            name: partial(
                write, name, board=board, database_url=urls["database_url"], file=self._ledger(name), seed=seed
            )
            for name in self._writers
        }
        parts |= {f"worker {number}": partial(run_worker, settings.FACTFOLD) for number in range(plan.workers)}
        parts |= {
            f"listener {number}": partial(listen, redis_url=urls["redis_url"]) for number in range(plan.listeners)
        }
        parts["relay"] = partial(relay, board=board, redis_url=urls["redis_url"], seed=seed)
        parts[REBUILD] = partial(rebuild, board=board, database_url=urls["database_url"], findings=self._findings)
        parts["watcher"] = partial(watch, board=board, findings=self._findings, **urls)
        return parts

    def _ledger(self, writer: str) -> Path:
        return self._folder / f"{writer.replace(' ', '-')}.ledger"

    def start(self) -> None:
        """This will start every process; a rebuild is begun by a fault."""
        for name, role in self._roles.items():
            if name != REBUILD:
                role.start()

    def end(self) -> None:
        """This will end every process."""
        for role in self._roles.values():
            role.kill()

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
        This will wait until nobody writes and all that was written can be read.

        Raises: NotAtRest.
        """
        self._board["resting"] = 1
        deadline = time.monotonic() + _REST_PATIENCE_SECONDS
        while not self._is_at_rest():
            if time.monotonic() > deadline:
                raise NotAtRest(f"still at work after {_REST_PATIENCE_SECONDS} s: {self._progress()}")
            self._keep_running()
            time.sleep(_WATCH_SECONDS)

    def check(self) -> tuple[Verified, LedgerCheck]:
        """
        This will compare the log, the tables, Redis, and what the writers and the watcher know.

        Raises: Difference, LedgerBroken.
        """
        if self._findings.exists():
            raise LedgerBroken(f"the watcher saw: {self._findings.read_text(encoding='utf-8')}")
        with (
            psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection,
            patient(settings.FACTFOLD.redis_url) as redis,
        ):
            verified = verify(connection, redis)
            ledgers = check_ledgers(connection, [read_ledger(self._ledger(writer)) for writer in self._writers])
            # Every command was found sound, so every event can be folded.
            parked = connection.execute("select stream, error from projections.parked order by position").fetchone()
            placed = [row[0] for row in connection.execute("select event_id from events.log order by position")]
        if parked is not None:
            raise Difference(f"{parked[0]} is parked: {parked[1]}")
        if placed[: len(self._prefix)] != self._prefix:
            raise LedgerBroken("positions that were seen in an earlier round hold other events now")
        self._prefix = placed
        return verified, ledgers

    def count_into(self, totals: Totals) -> None:
        """This will add what this installation has been through."""
        for name in ("bells", "dropped", "doubled", "delayed"):
            setattr(totals, name, getattr(totals, name) + self._board[name])
        totals.events_seen_live += self._board["events seen"]
        totals.looks_at_redis += self._board["looks at Redis"]
        totals.switches_to_a_rebuild += self._board["switches"]
        totals.ended_by_themselves += self.ended_by_themselves

    def _make_happen(self, fault: Fault) -> str:
        action, _, target = fault.kind.partition(" ")
        match fault.kind:
            case "kill postgres":
                self._kill_server(self._postgres)
            case "kill valkey":
                self._kill_server(self._valkey)
            case "kill backend":
                self._to_a_session(fault, lambda connection, pid: os.kill(pid, signal.SIGKILL))
            case "cut session":
                self._to_a_session(
                    fault, lambda connection, pid: connection.execute("select pg_terminate_backend(%s)", [pid])
                )
            case "flushall":
                self._flush()
            case "begin rebuild":
                if self._roles[REBUILD].has_ended():
                    self._roles[REBUILD].start()
            case "kill rebuild":
                self._roles[REBUILD].kill()
            case _:
                named = sorted(name for name in self._roles if name.partition(" ")[0] == target)
                target = named[fault.which % len(named)]
                if action == "kill":
                    self._roles[target].kill()
                    self._thaw.pop(target, None)
                    self._roles[target].start()
                else:
                    self._roles[target].signal(signal.SIGSTOP)
                    self._thaw[target] = time.monotonic() + _FROZEN_SECONDS
                return f"{action} {target}"
        return fault.kind

    def _kill_server(self, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        if server.process is not None:
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

    def _keep_running(self) -> None:
        now = time.monotonic()
        for name, at in list(self._thaw.items()):
            if at <= now:
                self._roles[name].signal(signal.SIGCONT)
                del self._thaw[name]
        for name, role in self._roles.items():
            if name != REBUILD and role.has_ended():
                self.ended_by_themselves += 1
                role.start()

    def _is_at_rest(self) -> bool:
        if self._thaw or not self._roles[REBUILD].has_ended():
            return False
        if not all(self._board[f"{name} rests"] for name in self._writers):
            return False
        try:
            with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True, connect_timeout=5) as connection:
                # The session of a writer that was killed may still be at its last command.
                busy = connection.execute(
                    "select count(*) from pg_stat_activity where application_name = %s and state <> 'idle'",
                    [APPLICATION_NAME],
                ).fetchone()
            progress = read_progress(settings.FACTFOLD.database_url, settings.FACTFOLD.redis_url)
        except psycopg.OperationalError:
            return False
        return busy == (0,) and progress.done

    def _progress(self) -> object:
        try:
            return read_progress(settings.FACTFOLD.database_url, settings.FACTFOLD.redis_url)
        except (psycopg.OperationalError, RedisError) as error:
            return error


def play(
    folder: Path,
    servers: tuple[EmbeddedPostgres, EmbeddedValkey],
    plan: Plan,
    *,
    rounds: int,
    until: float,
    totals: Totals,
    say: Callable[[str], None],
) -> None:
    """
    This will play rounds on one fresh installation until there were `rounds`, or the instant `until` is reached.

    Raises: Difference, LedgerBroken, NotAtRest.
    """
    call_command("migrate", verbosity=0)
    _forget_django_connections()
    installation = Installation(folder, servers, plan)
    installation.start()
    checked: LedgerCheck | None = None
    try:
        for _ in range(rounds):
            number = totals.rounds + 1
            random = Random(f"{plan.seed} round {number}")  # noqa: S311 (a schedule, not a secret)
            happened = installation.work(plan.seconds, draw_faults(random, seconds=plan.seconds, count=plan.faults))
            installation.come_to_rest()
            verified, checked = installation.check()
            totals.rounds += 1
            totals.kills += sum(fault.startswith("kill") for fault in happened)
            totals.other_faults += sum(not fault.startswith("kill") for fault in happened)
            totals.events_checked += verified.events
            say(
                f"round {number}: {', '.join(happened)}; {checked.accepted} accepted, {checked.refused} refused, "
                f"{checked.unheard} unheard ({checked.unheard_with_effect} with effect); {verified.events} events, "
                f"{verified.values} values, {verified.fragments} fragments: 0 differences"
            )
            if time.monotonic() > until:
                break
    finally:
        installation.end()
    installation.count_into(totals)
    if checked is not None:
        for name in ("accepted", "refused", "unheard", "unheard_with_effect", "events"):
            setattr(totals, name, getattr(totals, name) + getattr(checked, name))


def _forget_django_connections() -> None:
    # A forked process must not share a connection.
    from django.db import connections

    connections.close_all()


FAILURES = (Difference, LedgerBroken, NotAtRest)
