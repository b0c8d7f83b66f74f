"""
Companyfacts files to figures that can be read, end to end, beside a plain COPY of the same facts.

    .venv/bin/python -m benchmarks.ingest quick     one pair of runs on a few companies
    .venv/bin/python -m benchmarks.ingest full      three pairs of runs on all companies

A run starts the processes of an installation (worker, Celery) on a fresh database, then `manage.py ingest`, and ends
when tables, aggregates and Redis contain every event. The COPY goes into one table with the primary key of the fact
table, on the same server, from rows prepared beforehand. Runs of both kinds take turns, and the figures are compared.

The files are those in FACTFOLD_REAL_DATA/companyfacts or ../shared/data/companyfacts, else they are made from the
bundled sample.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from redis import Redis

from commands.filings.report_filing import ReportFiling
from commands.sources.companyfacts import read_companyfacts
from commands.sources.reading import Proposal
from commands.sources.sample import read_sample
from config.catching_up import progress_over
from config.embedded.postgres import EmbeddedPostgres
from config.embedded.valkey import EmbeddedValkey
from config.supervisor import ChildProcess

ROOT = Path(__file__).parent.parent
TARGET_FACTS_PER_SECOND = 15_000
TARGET_RATIO = 0.2
_PATIENCE_SECONDS = 600
_MANAGE = (sys.executable, str(ROOT / "manage.py"))

FactRow = tuple[int, str, str, str | None, str, int, str, str]


class FiguresWrong(Exception):
    """A run was fast and wrong; its speed says nothing."""


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the targets are met."""
    parser = argparse.ArgumentParser(prog="benchmarks.ingest", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=("quick", "full"))
    size = parser.parse_args(arguments).size
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as name:
        folder = Path(name)
        files = companyfacts_files(folder, at_most=4 if size == "quick" else None)
        rows = fact_rows(files)
        with servers(folder) as (postgres, valkey):
            copies, ingests = [], []
            for number in range(1 if size == "quick" else 3):
                copies.append(copy_seconds(postgres, rows))
                ingests.append(ingest_seconds(postgres, valkey, folder / f"run{number}", files, rows))
    copy, ingest = statistics.median(copies), statistics.median(ingests)
    result = {
        "facts": len(rows),
        "files": len(files),
        "ingest_seconds": [round(seconds, 2) for seconds in ingests],
        "copy_seconds": [round(seconds, 2) for seconds in copies],
        "ingest_facts_per_second": round(len(rows) / ingest),
        "copy_facts_per_second": round(len(rows) / copy),
        "ratio_to_copy": round(copy / ingest, 3),
        "targets": {"ingest_facts_per_second": TARGET_FACTS_PER_SECOND, "ratio_to_copy": TARGET_RATIO},
    }
    print(json.dumps(result, indent=1))
    return 0 if len(rows) / ingest >= TARGET_FACTS_PER_SECOND and copy / ingest >= TARGET_RATIO else 1


def companyfacts_files(folder: Path, *, at_most: int | None) -> list[Path]:
    """This will give real companyfacts files, or make some of the bundled sample."""
    real = Path(os.environ.get("FACTFOLD_REAL_DATA") or ROOT.parent / "shared" / "data") / "companyfacts"
    # Of several vintages of a company, named by day, the newest: a fact is to be read once, as the COPY does.
    newest = {path.name[:13]: path for path in sorted(real.glob("*.json.gz"))}
    files = list(newest.values()) or list(_files_of_sample(folder / "companyfacts"))
    return files[-at_most:] if at_most else files


def _files_of_sample(folder: Path) -> Iterator[Path]:
    documents: dict[int, dict[str, Any]] = {}
    for item in read_sample([ROOT / "sample"]):
        if isinstance(item, Proposal) and isinstance(item.command, ReportFiling):
            filing = item.command
            name = f"Company {filing.cik}"
            document = documents.setdefault(filing.cik, {"cik": filing.cik, "entityName": name, "facts": {}})
            for concept, unit, values in filing.facts:
                taxonomy, _, tag = concept.partition(":")
                units = document["facts"].setdefault(taxonomy, {}).setdefault(tag, {"label": tag, "units": {}})["units"]
                units.setdefault(unit, []).extend(_fact(filing, *value) for value in values)
    folder.mkdir()
    for cik, document in documents.items():
        path = folder / f"CIK{cik:010}.json"
        path.write_text(json.dumps(document))
        yield path


def _fact(filing: ReportFiling, start: str | None, end: str, value: str) -> dict[str, Any]:
    period = {"start": start} if start else {}
    number = float(value) if "." in value else int(value)
    filed = filing.filed_on.isoformat()
    return {**period, "end": end, "val": number, "accn": filing.accession, "form": filing.form, "filed": filed}


def fact_rows(files: Sequence[Path]) -> list[FactRow]:
    """This will give the rows of the fact table that the files amount to, each once, in the order of the files."""
    rows: dict[tuple[object, ...], FactRow] = {}
    for item in read_companyfacts(files):
        if isinstance(item, Proposal) and isinstance(item.command, ReportFiling):
            cik, accession = item.command.cik, item.command.accession
            for concept, unit, values in item.command.facts:
                for start, end, value in values:
                    days = (date.fromisoformat(end) - date.fromisoformat(start)).days + 1 if start else 0
                    key = (cik, end, concept, unit, days, accession)
                    rows[key] = (cik, concept, unit, start, end, days, accession, value)
    return list(rows.values())


@contextmanager
def servers(folder: Path) -> Iterator[tuple[EmbeddedPostgres, EmbeddedValkey]]:
    """This will run a PostgreSQL and a Valkey as `manage.py up` does."""
    postgres = EmbeddedPostgres(folder / "postgres", password=secrets.token_hex(8))
    valkey = EmbeddedValkey(folder / "valkey", password=secrets.token_hex(8))
    postgres.start()
    valkey.start()
    try:
        yield postgres, valkey
    finally:
        valkey.stop()
        postgres.stop()


@contextmanager
def fresh_database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """This will make an empty database, give its address, and leave the server to the next one as it was before."""
    name = f"run_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield postgres.url(name)
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        connection.execute("checkpoint")


def copy_seconds(postgres: EmbeddedPostgres, rows: Sequence[FactRow]) -> float:
    """This will time a COPY of the rows into a table with the fact table's columns and primary key."""
    text = "".join("\t".join("\\N" if cell is None else str(cell) for cell in row) + "\n" for row in rows).encode()
    with fresh_database(postgres) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            """
            create table fact (
                cik bigint not null, concept text not null, unit text not null, period_start date,
                period_end date not null, duration_days integer not null, accession text not null,
                value numeric not null,
                primary key (cik, period_end, concept, unit, duration_days, accession)
            )
            """
        )
        begun = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy("copy fact from stdin") as copy:
            copy.write(text)
        seconds = time.perf_counter() - begun
        _check(connection, "fact", rows)
    return seconds


def ingest_seconds(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, folder: Path, files: Sequence[Path], rows: Sequence[FactRow]
) -> float:
    """This will time the whole way on a fresh installation, from the start of `manage.py ingest`."""
    folder.mkdir()
    with fresh_database(postgres) as database_url:
        environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database_url,
            "REDIS_URL": valkey.url(),
            "FACTFOLD_DATA": str(folder),
            "FACTFOLD_ANONYMOUS": "true",
            "FACTFOLD_DOORBELL": "celery",
        }
        subprocess.run([*_MANAGE, "migrate", "--verbosity", "0"], check=True, cwd=ROOT, env=environ)
        seconds = _timed_ingest(database_url, valkey, folder, files, environ)
        with psycopg.connect(database_url, autocommit=True) as connection:
            _check(connection, "figures_v1.fact", rows)
            _check_values(connection, rows)
    return seconds


def _timed_ingest(
    database_url: str, valkey: EmbeddedValkey, folder: Path, files: Sequence[Path], environ: Mapping[str, str]
) -> float:
    with (
        running_processes(folder, environ),
        psycopg.connect(database_url, autocommit=True) as watching,
        Redis.from_url(valkey.url()) as redis,
    ):
        begun = time.perf_counter()
        ingest = [*_MANAGE, "ingest", "companyfacts", *map(str, files)]
        subprocess.run(ingest, check=True, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
        while not progress_over(watching, redis).done:
            if time.perf_counter() - begun > _PATIENCE_SECONDS:
                raise FiguresWrong(f"the figures are not complete after {_PATIENCE_SECONDS} s")
            time.sleep(0.05)
        return time.perf_counter() - begun


@contextmanager
def running_processes(folder: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """This will run the processes that turn events into figures, as `manage.py up` starts them."""
    celery = [sys.executable, "-m", "celery", "--app", "config.celery", "worker", "--queues", "factfold"]
    celery += ["--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    lines = {"celery": celery, "worker": [*_MANAGE, "worker"]}
    children = {
        name: ChildProcess([*line], log=folder / f"{name}.log", environ=environ, cwd=ROOT)
        for name, line in lines.items()
    }
    try:
        for child in children.values():
            child.start()
        for name, child in children.items():
            child.wait_until_ready(name=name)
        yield
    finally:
        for child in children.values():
            child.stop()


def _check(connection: psycopg.Connection, table: str, rows: Sequence[FactRow]) -> None:
    query = sql.SQL("select count(*), count(distinct accession) from {}").format(sql.Identifier(*table.split(".")))
    found = connection.execute(query).fetchone()
    expected = (len(rows), len({row[6] for row in rows}))
    if found != expected:
        raise FiguresWrong(f"{table} has {found} facts and filings; the files have {expected}")


def _check_values(connection: psycopg.Connection, rows: Sequence[FactRow]) -> None:
    """Every value read from one fact was filed, up to the sign that some metrics turn; Apple's of 2023 is there."""
    filed = {(row[0], row[6], row[7].lstrip("-")) for row in rows}
    found = connection.execute(
        "select cik, accession, abs(value)::text from figures_v1.metric_value"
        " where concept is not null and sources is null"
    ).fetchall()
    if not found or not set(found) <= filed:
        raise FiguresWrong(f"{len(set(found) - filed)} of {len(found)} values were never filed")
    apple = [value for cik, accession, value in found if (cik, accession) == (320193, "0000320193-23-000106")]
    if any(row[6] == "0000320193-23-000106" for row in rows) and "383285000000" not in apple:
        raise FiguresWrong("Apple's revenue of fiscal 2023 is missing")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
