"""
Appending: 8 writers at once, one event in a transaction, beside the `eventsourcing` package on the same PostgreSQL.

Both are given the version of the stream by its writer, check it and refuse another. Both are followed by a reader
while they write; figures count only when it has skipped nothing and swapped nothing. Rounds alternate between the
two, so that a busy machine is busy for both. Writers, reader and sequencer are processes of their own.

The package's other mode, in which PostgreSQL functions append without the table lock, is run beside them for what its
reader skips: notification ids are drawn before commit there, and a reader that has seen a larger one never looks back.

    .venv/bin/python -m benchmarks.append quick|full
"""

import argparse
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import psycopg

from benchmarks.peers.environment import peer_python
from commands.event_log.append import NewEvent, append_at_version, lock_streams
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from config.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
PEER = ROOT / "benchmarks" / "peers" / "eventsourcing_append.py"
SCHEMA = ROOT / "commands" / "event_log" / "schema.sql"
WRITERS = 8
STREAMS_PER_WRITER = 20
EVENT = json.dumps({"cik": 320193, "accession": "0000320193-23-000106", "text": "x" * 120}).encode()
LEAST_RATIO = 5.0


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


def round_of(role_command: Callable[[str, int], list[str]], *, helpers: Sequence[str], seconds: float) -> Written:
    """This will run one round: readers and other helpers first, then all writers at once for `seconds`."""
    helping = [Process(role_command(role, 0)) for role in helpers]
    for process in helping:
        process.wait_ready()
    writers = [Process(role_command("writer", number)) for number in range(WRITERS)]
    for process in writers:
        process.wait_ready()
    for process in helping:
        process.tell("go")
    for process in writers:
        process.tell(str(seconds))
    written = sum(process.result()["written"] for process in writers)
    # Helpers end in the order given: a sequencer has to be done before the reader can be.
    results = []
    for process in helping:
        process.tell("stop")
        results.append(process.result())
    seen = results[-1]
    return Written(events=written, seconds=seconds, skipped=written - seen["seen"], swapped=seen["swapped"])


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


def _role(program: Sequence[str], url: str, role: str, number: int) -> list[str]:
    return [*program, role, url, str(number)]


def compare(*, rounds: int, seconds: float) -> int:
    """This will run the rounds, print what came out, and return the exit code."""
    python = peer_python()
    ours: list[Written] = []
    theirs: list[Written] = []
    by_functions: list[Written] = []
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", password=secrets.token_hex(8), durable=True)
        postgres.start()
        try:
            for number in range(rounds):
                url = fresh_database(postgres, f"ours_{number}")
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(SCHEMA.read_bytes())
                us = partial(_role, [sys.executable, "-m", "benchmarks.append"], url)
                ours.append(round_of(us, helpers=("sequencer", "reader"), seconds=seconds))
                url = fresh_database(postgres, f"theirs_{number}")
                them = partial(_role, [python, str(PEER)], url)
                theirs.append(round_of(them, helpers=("reader",), seconds=seconds))
                url = fresh_database(postgres, f"by_functions_{number}")
                them = partial(_role, ["env", "POSTGRES_ENABLE_DB_FUNCTIONS=y", python, str(PEER)], url)
                by_functions.append(round_of(them, helpers=("reader",), seconds=seconds))
                print(f"round {number + 1}: ours {ours[-1].rate:,.0f}/s, eventsourcing {theirs[-1].rate:,.0f}/s")
        finally:
            postgres.stop()
    ratio = statistics.median(ours_.rate / theirs_.rate for ours_, theirs_ in zip(ours, theirs, strict=True))
    for name, side in (("ours", ours), ("eventsourcing", theirs), ("its functions", by_functions)):
        rate = statistics.median(written.rate for written in side)
        skipped, swapped = sum(written.skipped for written in side), sum(written.swapped for written in side)
        print(f"{name:<14} {rate:>8,.0f} events/s   skipped {skipped}   swapped {swapped}")
    print(f"ratio {ratio:.1f} (at least {LEAST_RATIO:.1f})")
    sound = not any(written.skipped or written.swapped for written in ours)
    return 0 if sound and ratio >= LEAST_RATIO else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=["quick", "full", "writer", "sequencer", "reader"])
    parser.add_argument("url", nargs="?", default="")
    parser.add_argument("number", nargs="?", type=int, default=0)
    asked = parser.parse_args()
    match asked.size:
        case "writer":
            write(asked.url, asked.number)
        case "sequencer":
            sequence(asked.url)
        case "reader":
            read(asked.url)
        case size:
            return compare(rounds=3 if size == "quick" else 9, seconds=2.0 if size == "quick" else 5.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
