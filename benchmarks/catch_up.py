"""
The projector from nothing to the head of a log, beside the `eventsourcing` package's projection runner and a COPY.

    .venv/bin/python -m benchmarks.catch_up quick     3 rounds on 100 companies
    .venv/bin/python -m benchmarks.catch_up full      5 rounds on 400 companies, and on the bundled sample

Two logs are folded: `small`, filings of one fact each, and `reports`, annual reports of 34 facts; `full` adds `sample`,
real filings. Ours is one process that folds one shard after the other, with everything that belongs to it: companies,
filings, facts, metric values and their history, marks for the aggregates. The package's runner, in its default mode
and also one process, writes only the filings and facts of the same events; it is given a few seconds of the log. The
COPY loads the companies, filings, facts and metric values that came out into empty tables with the same keys and
indexes. A rebuild, in one process too, is timed as a whole, with its aggregates and its comparison. Everything is on
one PostgreSQL, the sides take turns, and every round starts on a database of its own.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from benchmarks.databases import Databases, running_databases
from benchmarks.machine import Machine, cpu_with_backend
from benchmarks.made_up import FIRST_CIK, annual_report, company, facts_in, revenue
from benchmarks.peers.environment import peer_python
from commands.companies.register_company import RegisterCompany
from commands.filings.report_filing import ReportFiling
from commands.sources.reading import Proposal
from commands.sources.sample import read_sample
from tests.factories import duration, report_filing

ROOT = Path(__file__).parent.parent
PEER = ROOT / "benchmarks" / "peers" / "eventsourcing_projection.py"
LEAST_TO_PEER = 100.0
LEAST_TO_COPY = 0.35
TABLES = ("company", "filing", "fact", "metric_value")
_PEER_SECONDS = 5.0
_SMALL_FILINGS = 40

Written = RegisterCompany | ReportFiling


class FiguresWrong(Exception):
    """A side was fast and wrong; its speed says nothing."""


class Log:
    """One log, written to both sides, and what was measured on it."""

    def __init__(self, name: str, databases: Databases, commands: Sequence[Written]) -> None:
        self.name = name
        self._databases = databases
        self._commands = commands
        self._filings = [command for command in commands if isinstance(command, ReportFiling)]
        self._facts = sum(map(facts_in, self._filings))
        self._copies: dict[str, bytes] = {}
        self._runs = 0
        self.ours: list[float] = []
        self.theirs: list[float] = []
        self.copy: list[float] = []
        self.rebuild: list[float] = []
        self.fold_cpu: list[float] = []
        self.copy_cpu: list[float] = []

    def write(self) -> None:
        """This will put the events into a database of either side."""
        from commands.dispatch import dispatch_many
        from commands.errors import CommandError
        from commands.event_log.sequence import sequence_pending

        now = datetime.now(UTC)
        with psycopg.connect(self._databases.copied(f"{self.name}_ours", of="empty"), autocommit=True) as connection:
            for commands in batched(self._commands, 500):
                if refusals := [
                    outcome
                    for outcome in dispatch_many(connection, commands, now=now)
                    if isinstance(outcome, CommandError)
                ]:
                    raise refusals[0]
            while sequence_pending(connection):
                pass
            connection.execute("vacuum analyze")
        url = self._databases.copied(f"{self.name}_theirs", of="template1")
        lines = b"".join(
            msgspec.json.encode(
                {
                    "cik": filing.cik,
                    "accession": filing.accession,
                    "form": filing.form,
                    "filed_on": filing.filed_on,
                    "facts": filing.facts,
                }
            )
            + b"\n"
            for filing in self._filings
        )
        command = [peer_python(), str(PEER), "fill", url]
        told = json.loads(subprocess.run(command, input=lines, check=True, capture_output=True).stdout)
        if told["events"] != len(self._commands):
            raise FiguresWrong(f"the peer holds {told['events']} events instead of {len(self._commands)}")

    def round(self) -> None:
        """This will run each side once."""
        self._runs += 1
        self.ours.append(self._fold())
        self.theirs.append(self._run_peer())
        self.copy.append(self._copy())

    def told(self) -> dict[str, Any]:
        """This will describe what was measured; rates are events a second."""
        return {
            "events": len(self._commands),
            "facts": self._facts,
            "rows": sum(text.count(b"\n") for text in self._copies.values()),
            "ours": round(statistics.median(self.ours)),
            "ours_facts_per_second": round(statistics.median(self.ours) * self._facts / len(self._commands)),
            "eventsourcing": round(statistics.median(self.theirs)),
            "copy": round(statistics.median(self.copy)),
            "ratio_to_eventsourcing": round(self.to_peer, 1),
            "rebuild": round(statistics.median(self.rebuild)),
            "ratio_to_copy": round(self.to_copy, 3),
            "ratio_to_copy_by_cpu": round(statistics.median(self.copy_cpu) / statistics.median(self.fold_cpu), 3),
            "rebuild_to_eventsourcing": round(_ratio(self.rebuild, self.theirs), 1),
            "rebuild_to_copy": round(_ratio(self.rebuild, self.copy), 3),
        }

    @property
    def to_peer(self) -> float:
        return _ratio(self.ours, self.theirs)

    @property
    def to_copy(self) -> float:
        return _ratio(self.ours, self.copy)

    def _fold(self) -> float:
        from projections.aggregates import refresh
        from projections.projector import catch_up
        from projections.rebuild import Rebuild
        from projections.sweeper import lagging_shards, utc_now

        name = f"{self.name}_ours_{self._runs}"
        url = self._databases.copied(name, of=f"{self.name}_ours")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("checkpoint")
            backend = connection.info.backend_pid
            cpu, begun = cpu_with_backend(backend), time.perf_counter()
            events = sum(
                catch_up(connection, projection="figures", shard=shard).events for shard in lagging_shards(connection)
            )
            seconds = time.perf_counter() - begun
            self.fold_cpu.append(cpu_with_backend(backend) - cpu)
            self._check(connection, events)
            if not self._copies:
                self._copies = {table: _dumped(connection, table) for table in TABLES}
            refresh(connection, now=datetime.now(UTC))
        begun = time.perf_counter()
        # It compares what it built with the tables just folded and fails when they differ.
        Rebuild(url, projection="figures", clock=utc_now).run()
        self.rebuild.append(events / (time.perf_counter() - begun))
        self._databases.drop(name)
        return events / seconds

    def _check(self, connection: psycopg.Connection, events: int) -> None:
        held = connection.execute(
            "select (select count(*) from figures_v1.filing), (select count(*) from figures_v1.fact),"
            " (select count(*) from projections.parked)"
        ).fetchone()
        if (events, held) != (len(self._commands), (len(self._filings), self._facts, 0)):
            raise FiguresWrong(f"{self.name}: {events} events folded, filings, facts and parked events are {held}")
        if self.name != "sample":
            first = connection.execute(
                "select value from figures_v1.metric_value where cik = %s and metric = 'revenue'"
                " and period = 'CY2015' and known_to is null",
                [FIRST_CIK],
            ).fetchall()
            if first != [(revenue(0, 2015),)]:
                raise FiguresWrong(f"{self.name}: the first company's revenue of 2015 is {first}")

    def _run_peer(self) -> float:
        name = f"{self.name}_theirs_{self._runs}"
        url = self._databases.copied(name, of=f"{self.name}_theirs")
        command = [peer_python(), str(PEER), "run", url, str(len(self._commands)), str(_PEER_SECONDS)]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute("select count(*) from filing").fetchone()
        self._databases.drop(name)
        if not found or not 0 < found[0] <= told["events"] + 50:
            raise FiguresWrong(f"the peer says {told} and holds {found} filings")
        return float(told["events"] / told["seconds"])

    def _copy(self) -> float:
        from projections.catalog import PROJECTIONS

        name = f"{self.name}_copy_{self._runs}"
        figures = PROJECTIONS["figures"]
        with psycopg.connect(self._databases.copied(name, of="template1"), autocommit=True) as connection:
            connection.execute("create schema figures_v1")
            connection.execute("set search_path to figures_v1")
            connection.execute(figures.tables)
            connection.execute(figures.indexes)
            connection.execute("checkpoint")
            backend = connection.info.backend_pid
            cpu, begun = cpu_with_backend(backend), time.perf_counter()
            for table, text in self._copies.items():
                statement = sql.SQL("copy {} from stdin").format(sql.Identifier(table))
                with connection.cursor() as cursor, cursor.copy(statement) as copy:
                    copy.write(text)
            seconds = time.perf_counter() - begun
            self.copy_cpu.append(cpu_with_backend(backend) - cpu)
            found = connection.execute("select count(*) from fact").fetchone()
        self._databases.drop(name)
        if found != (self._facts,):
            raise FiguresWrong(f"the COPY loaded {found} facts")
        return len(self._commands) / seconds


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the targets are met."""
    parser = argparse.ArgumentParser(prog="benchmarks.catch_up", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=("quick", "full"))
    quick = parser.parse_args(arguments).size == "quick"
    companies, rounds = (100, 3) if quick else (400, 5)
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as name, running_databases(Path(name)) as databases:
        databases.migrated("empty")
        prepare_for_folding()
        wanted = {"small": _small(companies), "reports": _reports(companies)}
        if not quick:
            wanted["sample"] = _sample()
        logs = [Log(name, databases, list(commands)) for name, commands in wanted.items()]
        for log in logs:
            log.write()
        machine = Machine()
        for _ in range(rounds):
            for log in logs:
                log.round()
        load = machine.told()
    result = {
        **{log.name: log.told() for log in logs},
        "machine": load,
        "targets": {"ratio_to_eventsourcing": LEAST_TO_PEER, "ratio_to_copy": LEAST_TO_COPY},
    }
    print(json.dumps(result, indent=1))
    return 0 if all(log.to_peer >= LEAST_TO_PEER and log.to_copy >= LEAST_TO_COPY for log in logs) else 1


def prepare_for_folding() -> None:
    """This will make this process what every process that folds is."""
    from projections.memory import expect_many_plain_objects

    expect_many_plain_objects()


def _ratio(rates: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(rate / other for rate, other in zip(rates, others, strict=True))


def _small(companies: int) -> Iterator[Written]:
    """Filings of one fact each: what is closest to the events other packages are measured with."""
    for number in range(companies):
        yield company(number)
        for index in range(_SMALL_FILINGS):
            year = 2015 + index % 8
            yield report_filing(
                cik=FIRST_CIK + number,
                accession=f"{FIRST_CIK + number:010}-24-{index:06}",
                filed_on=datetime(2024, 2, 15, tzinfo=UTC).date(),
                accepted_at=datetime(2024, 2, 15, 21, 5, tzinfo=UTC),
                facts=(duration("us-gaap:Revenues", f"{year}-01-01", f"{year}-12-31", str(revenue(number, year))),),
            )


def _reports(companies: int) -> Iterator[Written]:
    for number in range(companies):
        yield company(number)
        for year in range(2015, 2023):
            yield annual_report(number, year=year)


def _sample() -> Iterator[Written]:
    for item in read_sample([ROOT / "sample"]):
        if isinstance(item, Proposal) and isinstance(item.command, RegisterCompany | ReportFiling):
            yield item.command


def _dumped(connection: psycopg.Connection, table: str) -> bytes:
    statement = sql.SQL("copy figures_v1.{} to stdout").format(sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(copy)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
