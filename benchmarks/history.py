"""
What one filing costs from command to Redis when 1, 10 and 100 times as much has been filed before.

    .venv/bin/python -m benchmarks.history quick     10, 100 and 1,000 companies, 3 rounds of 10 filings
    .venv/bin/python -m benchmarks.history full      40, 400 and 4,000 companies, 9 rounds of 20 filings

Every company has three annual reports; the filings measured are further ones. The databases are filled beforehand and
take turns. A filing goes through dispatch, sequencer, projector, refresh of the aggregates and Redis in one process.
Of each step its time is told, and the processor time of this process and its PostgreSQL backend together, which
depends less on what else the machine does. A refresh works out whole groups, so that its cost follows their members:
the cost is told with and without it.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from benchmarks.databases import Databases, running_databases
from benchmarks.machine import Machine, cpu_with_backend
from benchmarks.made_up import FIRST_CIK, annual_report, company, revenue

MOST_GROWTH = 1.5
SCALES = (1, 10, 100)
FIRST_YEAR = 2018
YEARS = 3
UP_TO_TABLES = ("dispatch", "sequence", "catch_up")
STEPS = (*UP_TO_TABLES, "refresh", "redis")


class FiguresWrong(Exception):
    """A step was fast and wrong; its speed says nothing."""


class Spent:
    """Time and processor time of each step of some filings, in seconds."""

    def __init__(self, backend: int) -> None:
        self._backend = backend
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, step: str) -> Iterator[None]:
        """This will add what a block takes."""
        cpu, begun = cpu_with_backend(self._backend), time.perf_counter()
        yield
        self.wall[step] += time.perf_counter() - begun
        self.cpu[step] += cpu_with_backend(self._backend) - cpu


class Ledger:
    """One database of the benchmark: some companies, and the filings measured in it."""

    def __init__(self, url: str, redis: Redis, *, companies: int) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._redis = redis
        self._companies = companies
        self._filed = 0

    def fill(self) -> None:
        """This will register the companies and file what they reported before."""
        from commands.dispatch import dispatch_many
        from projections.sweeper import drain

        now = datetime.now(UTC)
        for numbers in batched(range(self._companies), 100):
            reports = [
                annual_report(number, year=year) for number in numbers for year in range(FIRST_YEAR, FIRST_YEAR + YEARS)
            ]
            dispatch_many(self._connection, [*map(company, numbers), *reports], now=now)
        drain(self._connection, self._redis)
        self._connection.execute("vacuum analyze")
        self.check()

    def file(self, filings: int) -> Spent:
        """This will file one report after the other, each all the way to Redis."""
        from commands.dispatch import dispatch
        from commands.event_log.sequence import sequence_pending
        from projections.aggregates import refresh
        from projections.projector import catch_up
        from projections.redis_views import follow
        from projections.sweeper import lagging_shards

        spent = Spent(self._connection.info.backend_pid)
        for _ in range(filings):
            # Spread over the companies, and a year on whenever all have had their turn.
            turn, place = divmod(self._filed, self._companies)
            number = place * 7 % self._companies if self._companies % 7 else place
            report = annual_report(number, year=FIRST_YEAR + YEARS + turn)
            now = datetime.now(UTC)
            with spent.on("dispatch"):
                dispatch(self._connection, report, now=now)
            with spent.on("sequence"):
                sequence_pending(self._connection)
            with spent.on("catch_up"):
                for shard in lagging_shards(self._connection):
                    catch_up(self._connection, projection="figures", shard=shard)
            with spent.on("refresh"):
                refresh(self._connection, now=now)
            with spent.on("redis"):
                follow(self._connection, self._redis)
            self._filed += 1
        self.check()
        return spent

    def check(self) -> None:
        """
        This will compare what the tables hold with what was filed.

        Raises:
            FiguresWrong: a filing, a value or an aggregate is missing or wrong.
        """
        turns, rest = divmod(self._filed, self._companies)
        filed = self._connection.execute("select count(*) from figures_v1.filing").fetchone()
        if filed != (self._companies * YEARS + self._filed,):
            raise FiguresWrong(f"there are {filed} filings")
        everyone = sum(revenue(number, FIRST_YEAR + YEARS - 1) for number in range(self._companies))
        found = self._connection.execute(
            "select n, sum from figures_v1.group_aggregate"
            " where metric = 'revenue' and group_by = 'all' and period = %s",
            [f"CY{FIRST_YEAR + YEARS - 1}"],
        ).fetchone()
        if found != (self._companies, everyone):
            raise FiguresWrong(f"the revenue of all is {found} instead of {(self._companies, everyone)}")
        newest = self._connection.execute(
            "select count(*), coalesce(min(value - 1000000 * (cik - %s)), 0) from figures_v1.metric_value"
            " where metric = 'revenue' and period = %s",
            [FIRST_CIK - 1, f"CY{FIRST_YEAR + YEARS + turns}"],
        ).fetchone()
        if newest != (rest, 1_000 * (FIRST_YEAR + YEARS + turns - 2000) if rest else 0):
            raise FiguresWrong(f"of the newest year there are {newest}")

    def close(self) -> None:
        """This will let go of the database."""
        self._connection.close()


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the target is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.history", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=("quick", "full"))
    quick = parser.parse_args(arguments).size == "quick"
    companies, rounds, filings = (10, 3, 10) if quick else (40, 9, 20)
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as name, running_databases(Path(name)) as databases:
        databases.migrated("empty")
        ledgers = {scale: _ledger(databases, scale, companies=companies * scale) for scale in SCALES}
        for ledger in ledgers.values():
            ledger.file(filings)
        machine = Machine()
        spent: dict[int, list[Spent]] = {scale: [] for scale in SCALES}
        for _ in range(rounds):
            for scale, ledger in ledgers.items():
                spent[scale].append(ledger.file(filings))
        load = machine.told()
        for ledger in ledgers.values():
            ledger.close()
    result: dict[str, Any] = {
        "companies": {f"{scale}x": companies * scale for scale in SCALES},
        "filings": rounds * filings,
        "cpu_ms_per_filing": {f"{scale}x": _told(spent[scale], "cpu", filings) for scale in SCALES},
        "wall_ms_per_filing": {f"{scale}x": _told(spent[scale], "wall", filings) for scale in SCALES},
        "growth": {
            f"{scale}x": {
                f"{kind}_{name}": round(_cost(spent[scale], kind, steps) / _cost(spent[1], kind, steps), 2)
                for kind in ("cpu", "wall")
                for name, steps in (("to_tables", UP_TO_TABLES), ("to_redis", STEPS))
            }
            for scale in SCALES[1:]
        },
        "machine": load,
        "targets": {"growth": MOST_GROWTH},
    }
    print(json.dumps(result, indent=1))
    return 0 if all(max(growth.values()) <= MOST_GROWTH for growth in result["growth"].values()) else 1


def _ledger(databases: Databases, scale: int, *, companies: int) -> Ledger:
    url = databases.copied(f"times_{scale}", of="empty")
    ledger = Ledger(url, Redis.from_url(databases.redis_url, db=SCALES.index(scale)), companies=companies)
    ledger.fill()
    return ledger


def _cost(rounds: Sequence[Spent], kind: str, steps: Sequence[str]) -> float:
    costs: list[dict[str, float]] = [getattr(spent, kind) for spent in rounds]
    return statistics.median(sum(cost[step] for step in steps) for cost in costs)


def _told(rounds: Sequence[Spent], kind: str, filings: int) -> dict[str, float]:
    return {step: round(_cost(rounds, kind, (step,)) / filings * 1000, 2) for step in STEPS}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
