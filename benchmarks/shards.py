"""
One log folded by 1, 2, 4 and 8 workers, a shard each.

    .venv/bin/python -m benchmarks.shards quick     3 rounds on 120 companies
    .venv/bin/python -m benchmarks.shards full      9 rounds on 600 companies

Each number of shards has its own database with the same events in the same order. A worker is a process of its own;
time runs from the word to begin until the last one is done. Rounds alternate, start on a fresh copy of the unfolded
database, and must all end with the same rows. On a machine with two processors more than two workers cannot be faster;
they must not be slower either.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import batched, pairwise
from pathlib import Path

import django
import psycopg

from benchmarks.databases import Databases, running_databases
from benchmarks.machine import Machine
from benchmarks.made_up import annual_report, company

ROOT = Path(__file__).parent.parent
SHARDS = (1, 2, 4, 8)
LEAST_TO_FORMER = 0.9
_YEARS = range(2015, 2021)
_DIGEST = """
select md5(string_agg(row, '|' order by row)), count(*) from (
    select (fact.*)::text from figures_v1.fact union all select (value.*)::text from figures_v1.metric_value as value
    union all select (filing.*)::text from figures_v1.filing union all select (company.*)::text from figures_v1.company
) as rows (row)
"""


class FiguresWrong(Exception):
    """A round was fast and wrong; its speed says nothing."""


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the target is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.shards", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=("quick", "full", "writer", "worker"))
    parser.add_argument("url", nargs="?", default="")
    parser.add_argument("number", nargs="?", type=int, default=0)
    given = parser.parse_args(arguments)
    match given.size:
        case "writer":
            django.setup()
            _write(given.url, companies=given.number)
        case "worker":
            django.setup()
            _work(given.url, shard=given.number)
        case size:
            return _compare(companies=120 if size == "quick" else 600, rounds=3 if size == "quick" else 9)
    return 0


def _compare(*, companies: int, rounds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as name, running_databases(Path(name)) as databases:
        for shards in SHARDS:
            url = databases.migrated(f"shards_{shards}", shards=shards)
            command = [sys.executable, "-m", "benchmarks.shards", "writer", url, str(companies)]
            subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "FACTFOLD_SHARDS": str(shards)})
        machine = Machine()
        seconds: dict[int, list[float]] = {shards: [] for shards in SHARDS}
        digests = set()
        for number in range(rounds):
            for shards in SHARDS:
                taken, digest = _round(databases, shards=shards, number=number)
                seconds[shards].append(taken)
                digests.add(digest)
        load = machine.told()
    events = companies * (len(_YEARS) + 1)
    if len(digests) != 1:
        raise FiguresWrong("the tables differ between rounds")
    rate = {shards: events / statistics.median(seconds[shards]) for shards in SHARDS}
    to_former = {
        shards: statistics.median(before / now for before, now in zip(seconds[former], seconds[shards], strict=True))
        for former, shards in pairwise(SHARDS)
    }
    result = {
        "events": events,
        "events_per_second": {str(shards): round(rate[shards]) for shards in SHARDS},
        "seconds": {str(shards): [round(taken, 2) for taken in seconds[shards]] for shards in SHARDS},
        "ratio_to_former": {str(shards): round(ratio, 2) for shards, ratio in to_former.items()},
        "machine": load,
        "targets": {"ratio_to_former": LEAST_TO_FORMER},
    }
    print(json.dumps(result, indent=1))
    return 0 if min(to_former.values()) >= LEAST_TO_FORMER else 1


def _round(databases: Databases, *, shards: int, number: int) -> tuple[float, tuple[object, ...]]:
    name = f"shards_{shards}_{number}"
    url = databases.copied(name, of=f"shards_{shards}")
    command = [sys.executable, "-m", "benchmarks.shards", "worker", url]
    environ = {**os.environ, "FACTFOLD_SHARDS": str(shards)}
    workers = [
        subprocess.Popen(
            [*command, str(shard)], cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for shard in range(shards)
    ]
    try:
        for worker in workers:
            _hear(worker, "ready")
        begun = time.perf_counter()
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            _hear(worker, "done")
        seconds = time.perf_counter() - begun
    finally:
        for worker in workers:
            worker.terminate()
            worker.communicate()
    with psycopg.connect(url, autocommit=True) as connection:
        digest = connection.execute(_DIGEST).fetchone() or ()
        behind = connection.execute(
            "select (select sum(shard_seq) from projections.checkpoint), (select count(*) from events.log)"
        ).fetchone()
    databases.drop(name)
    if behind is None or behind[0] != behind[1]:
        raise FiguresWrong(f"folded and written events are {behind}")
    return seconds, digest


def _hear(worker: subprocess.Popen[str], word: str) -> None:
    assert worker.stdout
    if worker.stdout.readline().strip() != word:
        raise FiguresWrong("a worker ended early; see above")


def _write(url: str, *, companies: int) -> None:
    """This will put the events in the log, in the same order for any number of shards."""
    from commands.dispatch import dispatch_many
    from commands.event_log.sequence import sequence_pending

    now = datetime.now(UTC)
    with psycopg.connect(url, autocommit=True) as connection:
        for numbers in batched(range(companies), 50):
            dispatch_many(connection, [company(number) for number in numbers], now=now)
        for year in _YEARS:
            for numbers in batched(range(companies), 50):
                dispatch_many(connection, [annual_report(number, year=year) for number in numbers], now=now)
        while sequence_pending(connection):
            pass
        connection.execute("vacuum analyze")


def _work(url: str, *, shard: int) -> None:
    """A worker: folds its shard when it is told to."""
    from projections.memory import expect_many_plain_objects
    from projections.projector import catch_up

    expect_many_plain_objects()
    with psycopg.connect(url, autocommit=True) as connection:
        print("ready", flush=True)
        sys.stdin.readline()
        catch_up(connection, projection="figures", shard=shard)
        print("done", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
