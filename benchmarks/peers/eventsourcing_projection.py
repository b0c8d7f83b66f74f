"""The other side of `benchmarks.catch_up`: the `eventsourcing` package's projection runner, on its own venv."""

import json
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application  # type: ignore[import-not-found]  # installed elsewhere
from eventsourcing.domain import Aggregate, event  # type: ignore[import-not-found]
from eventsourcing.persistence import Tracking  # type: ignore[import-not-found]
from eventsourcing.postgres import PostgresTrackingRecorder  # type: ignore[import-not-found]
from eventsourcing.projection import Projection, ProjectionRunner  # type: ignore[import-not-found]
from psycopg.sql import SQL

TABLES = (
    "create table filing (cik bigint, accession text, form text, filed_on date, primary key (cik, accession))",
    "create table fact (cik bigint, concept text, unit text, period_start date, period_end date, accession text,"
    " value numeric, primary key (cik, period_end, concept, unit, accession, value))",
)
INSERT_FILING = "insert into filing values (%s, %s, %s, %s)"
INSERT_FACTS = (
    "insert into fact select %s, concept, unit, period_start, period_end, %s, value from unnest(%s::text[], %s::text[],"
    " %s::date[], %s::date[], %s::numeric[]) as row (concept, unit, period_start, period_end, value)"
)


class Company(Aggregate):
    @event("Registered")
    def __init__(self, cik: int) -> None:
        self.cik = cik

    @staticmethod
    def create_id(cik: int) -> UUID:
        return uuid5(NAMESPACE_URL, f"/companies/{cik}")

    @event("FilingReported")
    def report_filing(self, cik: int, accession: str, form: str, filed_on: str, facts: list[Any]) -> None:
        pass


class Companies(Application):
    pass


class Facts(PostgresTrackingRecorder):
    """A view written the way the package's documentation does: rows and tracking in one transaction an event."""

    def __init__(self, datastore: Any, **named: Any) -> None:
        super().__init__(datastore, **named)
        self.sql_create_statements.extend(map(SQL, TABLES))

    def write(self, filing: Any, tracking: Tracking) -> None:
        rows = [(concept, unit, *value) for concept, unit, values in filing.facts for value in values]
        columns = [list(column) for column in zip(*rows, strict=True)]
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking=tracking)
            cursor.execute(INSERT_FILING, (filing.cik, filing.accession, filing.form, filing.filed_on), prepare=True)
            cursor.execute(INSERT_FACTS, (filing.cik, filing.accession, *columns), prepare=True)

    def track(self, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking=tracking)


class FactsProjection(Projection):
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        if isinstance(domain_event, Company.FilingReported):
            self.view.write(domain_event, tracking)
        else:
            self.view.track(tracking)


def environment_of(url: str) -> dict[str, str]:
    address = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": address.path.lstrip("/"),
        "POSTGRES_HOST": address.hostname or "",
        "POSTGRES_PORT": str(address.port),
        "POSTGRES_USER": address.username or "",
        "POSTGRES_PASSWORD": unquote(address.password or ""),
    }


def fill(url: str) -> int:
    """Writes the filings given as lines of JSON, sorted by company, and counts the events."""
    app = Companies(env=environment_of(url))
    events = 0
    for cik, filings in groupby(map(json.loads, sys.stdin), key=lambda filing: filing["cik"]):
        company = Company(cik)
        for filing in filings:
            company.report_filing(**filing)
        events += len(app.save(company))
    app.close()
    return events


def run(url: str, *, events: int, at_most_seconds: float) -> Iterator[float]:
    """Gives the events projected and the seconds that took: all of them, or as many as the time allows."""
    begun = time.perf_counter()
    with ProjectionRunner(
        application_class=Companies, projection_class=FactsProjection, view_class=Facts, env=environment_of(url)
    ) as runner:
        reached = 0
        while reached < events and time.perf_counter() - begun < at_most_seconds:
            runner.run_forever(timeout=0.01)
            reached = runner.view.max_tracking_id(runner.app_name) or 0
        yield reached
        yield time.perf_counter() - begun


if __name__ == "__main__":
    _, role, address, *rest = sys.argv
    if role == "fill":
        print(json.dumps({"events": fill(address)}))
    else:
        done, seconds = run(address, events=int(rest[0]), at_most_seconds=float(rest[1]))
        print(json.dumps({"events": done, "seconds": seconds}))
