"""
Appending: 8 and 32 writers at once, one event each, beside the `eventsourcing` package on the same PostgreSQL.

Two things of ours are measured:

* `append`: the log alone. Writers are processes; each event is a transaction of its own, at a version its writer knows.
* `commands`: whole commands, as the api process carries them out: writers are threads of one process that send a
  `ReportFiling` and wait for its answer. It is checked, decided on, and written with what later decisions need;
  commands that arrive together share a transaction (Note [group commit]).

And two things of the package, in its default, safe mode, its writers being processes:

* `recorder`: its log alone, one event a transaction.
* `application`: its application loads the aggregate, triggers an event and saves it.

Each of ours is compared with the package's recorder, its fastest way; `commands` also with its application. All are
given or know the version of the stream, check it and refuse another. All are followed by a reader while they write;
figures count only when it has skipped nothing and swapped nothing. Rounds alternate, so that a busy machine is busy for
all. Writers, reader and sequencer are processes of their own.

`empty` is what the machine gives: transactions that hold nothing but what makes PostgreSQL flush them. `rows` is what
sharing can give at most: one session inserts as many rows as there are writers in each transaction, into a table with
one index, and each is flushed; nobody is answered, nothing is checked or decided. `functions` is the package's other
mode, in which PostgreSQL functions append without the table lock, run for what its reader skips:
notification ids are drawn before commit there, and a reader that has seen a larger one never looks back.

    .venv/bin/python -m benchmarks.append quick|full
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from benchmarks.machine import Machine
from benchmarks.peers.environment import peer_python
from commands.event_log.append import NewEvent, append_at_version, lock_streams
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from config.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
PEER = ROOT / "benchmarks" / "peers" / "eventsourcing_append.py"
SCHEMA = ROOT / "commands" / "event_log" / "schema.sql"
WRITERS = (8, 32)
STREAMS_PER_WRITER = 20
EVENT = json.dumps({"cik": 320193, "accession": "0000320193-23-000106", "text": "x" * 120}).encode()
COMPARED = (("append", "recorder"), ("commands", "recorder"), ("commands", "application"))
LEAST_RATIO = {"append": {8: 5.0}, "commands": {8: 10.0, 32: 10.0}}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What one side wrote in one round, and what its reader made of it."""

    events: int
    seconds: float
    skipped: int
    swapped: int

    @property
    def rate(self) -> float:
        return self.events / self.seconds


class Process:
    """A child that says `ready`, starts on a line of input, and ends with one line of JSON."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen([*command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout

    def wait_ready(self) -> None:
        if self._output.readline().strip() != "ready":
            raise SystemExit("a process of the benchmark did not start; see above")

    def tell(self, word: str) -> None:
        self._input.write(f"{word}\n")
        self._input.flush()

    def result(self) -> dict[str, int]:
        line = self._output.readline()
        self._process.wait()
        found: dict[str, int] = json.loads(line)
        return found


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is measured: its program, what its writers are called, and who works beside them."""

    program: Sequence[str]
    writer: str
    helpers: Sequence[str]
    threads: bool = False
    """Whether one process holds all writers."""


def round_of(side: Side, url: str, *, writers: int, seconds: float) -> Written:
    """This will run one round: readers and other helpers first, then all writers at once for `seconds`."""

    def process(role: str, number: int) -> Process:
        return Process([*side.program, role, url, str(number)])

    helping = [process(role, 0) for role in side.helpers]
    for helper in helping:
        helper.wait_ready()
    writing = [process(side.writer, writers)] if side.threads else [process(side.writer, n) for n in range(writers)]
    for writer in writing:
        writer.wait_ready()
    for helper in helping:
        helper.tell("go")
    for writer in writing:
        writer.tell(str(seconds))
    results = [writer.result() for writer in writing]
    written, before = (sum(result.get(name, 0) for result in results) for name in ("written", "before"))
    # Helpers end in the order given: a sequencer has to be done before the reader can be.
    seen = {"seen": written, "swapped": 0}
    for helper in helping:
        helper.tell("stop")
        seen = helper.result()
    return Written(events=written, seconds=seconds, skipped=written + before - seen["seen"], swapped=seen["swapped"])


def write(url: str, number: int) -> None:
    """A writer of ours."""
    streams = [f"company-{number}-{index}" for index in range(STREAMS_PER_WRITER)]
    with psycopg.connect(url, autocommit=True) as connection:
        with connection.transaction():
            lock_streams(connection, streams, opening=streams)
        seconds = float(start())
        written = 0
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            version, index = divmod(written, STREAMS_PER_WRITER)
            event = NewEvent(stream=streams[index], type="FilingReported", data=EVENT)
            append_at_version(connection, event, expected=version)
            written += 1
    print(json.dumps({"written": written}), flush=True)


def command(url: str, writers: int) -> None:
    """An api process of ours, without its HTTP: a thread for each writer, which sends one command at a time."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:1",  # commands do not come near it
        "FACTFOLD_ANONYMOUS": "true",
    }
    import django

    django.setup()
    from benchmarks.made_up import company, small_report
    from commands.dispatch import dispatch_many
    from commands.group_commit import joint_dispatch

    companies = writers * STREAMS_PER_WRITER
    with psycopg.connect(url, autocommit=True) as connection:
        dispatch_many(connection, [company(number) for number in range(companies)], now=datetime.now(UTC))
    way_in = joint_dispatch(url)
    written = [0] * writers

    def send(writer: int, *, until: float) -> None:
        while time.perf_counter() < until:
            turn, index = divmod(written[writer], STREAMS_PER_WRITER)
            report = small_report(writer * STREAMS_PER_WRITER + index, number=turn)
            way_in.dispatch(report, size=len(EVENT), expected_version=turn + 1)
            written[writer] += 1

    until = time.perf_counter() + float(start())
    threads = [threading.Thread(target=partial(send, writer, until=until)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"written": sum(written), "before": companies}), flush=True)


def commit_nothing(url: str) -> None:
    """A writer of transactions with nothing in them."""
    with psycopg.connect(url, autocommit=True) as connection:
        written = 0
        until = time.perf_counter() + float(start())
        while time.perf_counter() < until:
            connection.execute("select pg_logical_emit_message(true, 'nothing', '')", prepare=True)
            written += 1
    print(json.dumps({"written": written}), flush=True)


def insert_rows(url: str, writers: int) -> None:
    """One session that inserts a row for each writer in each transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table rows (id bigint generated always as identity primary key, data text)")
        data = [EVENT.decode()] * writers
        written = 0
        until = time.perf_counter() + float(start())
        while time.perf_counter() < until:
            connection.execute("insert into rows (data) select unnest(%b::text[])", [data], prepare=True)
            written += writers
    print(json.dumps({"written": written}), flush=True)


def sequence(url: str) -> None:
    """The sequencer, as a worker runs it."""
    with psycopg.connect(url, autocommit=True) as connection:
        start()
        stopping = stop_asked()
        while not stopping.wait(0.01) or sequence_pending(connection):
            sequence_pending(connection)
    print("{}", flush=True)


def read(url: str) -> None:
    """A reader that follows the log while it grows."""
    versions: dict[str, int] = defaultdict(int)
    position = seen = swapped = 0
    with psycopg.connect(url, autocommit=True) as connection:
        start()
        stopping = stop_asked()
        while (events := read_log(connection, after=position, max_events=1000)) or not stopping.wait(0.01):
            for event in events:
                swapped += event.version != versions[event.stream] + 1 or event.position != position + 1
                versions[event.stream] = event.version
                position = event.position
                seen += 1
    print(json.dumps({"seen": seen, "swapped": swapped}), flush=True)


def start() -> str:
    """This will say that this process is ready and wait for the word to begin."""
    print("ready", flush=True)
    return sys.stdin.readline().strip()


def stop_asked() -> threading.Event:
    """This will return an event that is set once the parent says stop."""
    stopping = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        stopping.set()

    threading.Thread(target=listen, daemon=True).start()
    return stopping


def fresh_database(postgres: EmbeddedPostgres, name: str) -> str:
    """This will make an empty database and return its address."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name}")
    return postgres.url(name)


def sides() -> dict[str, Side]:
    """This will list what is measured."""
    ours = [sys.executable, "-m", "benchmarks.append"]
    theirs = [peer_python(), str(PEER)]
    functions = ["env", "POSTGRES_ENABLE_DB_FUNCTIONS=y", *theirs]
    return {
        "append": Side(program=ours, writer="append", helpers=["sequencer", "reader"]),
        "recorder": Side(program=theirs, writer="recorder", helpers=["reader"]),
        "commands": Side(program=ours, writer="commands", helpers=["sequencer", "reader"], threads=True),
        "application": Side(program=theirs, writer="application", helpers=["reader"]),
        "functions": Side(program=functions, writer="recorder", helpers=["reader"]),
        "empty": Side(program=ours, writer="empty", helpers=[]),
        "rows": Side(program=ours, writer="rows", helpers=[], threads=True),
    }


def measure(*, rounds: int, seconds: float) -> dict[int, dict[str, list[Written]]]:
    """This will run the rounds on a server of their own and return what was written, by writers and side."""
    found: dict[int, dict[str, list[Written]]] = {writers: defaultdict(list) for writers in WRITERS}
    measured = sides()
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", password=secrets.token_hex(8), durable=True)
        postgres.start()
        try:
            for number in range(rounds):
                for writers in WRITERS:
                    for name, side in measured.items():
                        url = fresh_database(postgres, f"{name}_{writers}_{number}")
                        if side.program[0] == sys.executable:
                            with psycopg.connect(url, autocommit=True) as connection:
                                connection.execute(SCHEMA.read_bytes())
                        found[writers][name].append(round_of(side, url, writers=writers, seconds=seconds))
                    rates = ", ".join(f"{name} {done[-1].rate:,.0f}/s" for name, done in found[writers].items())
                    print(f"round {number + 1}, {writers} writers: {rates}", file=sys.stderr, flush=True)
        finally:
            postgres.stop()
    return found


def compare(*, rounds: int, seconds: float) -> int:
    """This will run the rounds, print what came out, and return the exit code."""
    machine = Machine()
    found = measure(rounds=rounds, seconds=seconds)
    load = machine.told()
    met = True
    result: dict[str, Any] = {}
    for writers, by_side in found.items():
        told: dict[str, Any] = {}
        for name, done in by_side.items():
            skipped, swapped = sum(each.skipped for each in done), sum(each.swapped for each in done)
            rate = round(statistics.median(each.rate for each in done))
            told[name] = {"events_per_second": rate, "skipped": skipped, "swapped": swapped}
            met &= name not in LEAST_RATIO or skipped == swapped == 0
        for ours, theirs in COMPARED:
            ratios = [us.rate / them.rate for us, them in zip(by_side[ours], by_side[theirs], strict=True)]
            told[f"{ours}_to_{theirs}"] = round(statistics.median(ratios), 1)
        met &= all(
            told[f"{name}_to_recorder"] >= least[writers] for name, least in LEAST_RATIO.items() if writers in least
        )
        result[f"{writers}_writers"] = told
    print(json.dumps({**result, "machine": load, "targets": {"to_recorder": LEAST_RATIO}}, indent=1))
    return 0 if met else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=["quick", "full", "append", "commands", "empty", "rows", "sequencer", "reader"])
    parser.add_argument("url", nargs="?", default="")
    parser.add_argument("number", nargs="?", type=int, default=0)
    asked = parser.parse_args()
    match asked.size:
        case "append":
            write(asked.url, asked.number)
        case "commands":
            command(asked.url, asked.number)
        case "empty":
            commit_nothing(asked.url)
        case "rows":
            insert_rows(asked.url, asked.number)
        case "sequencer":
            sequence(asked.url)
        case "reader":
            read(asked.url)
        case size:
            return compare(rounds=3 if size == "quick" else 9, seconds=2.0 if size == "quick" else 5.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
