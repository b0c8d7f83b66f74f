"""
The other side of `benchmarks.append`: the `eventsourcing` package, on its own venv.

By its recorder, which is its log alone, or by its application, which loads an aggregate, triggers an event and saves
it. In its default, safe mode; with `POSTGRES_ENABLE_DB_FUNCTIONS=y` in the environment in the one that appends by
functions in the database.
"""

import json
import os
import sys
import threading
import time
from collections import defaultdict
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

from eventsourcing.application import Application  # type: ignore[import-not-found]  # installed elsewhere
from eventsourcing.domain import Aggregate, event  # type: ignore[import-not-found]
from eventsourcing.persistence import (  # type: ignore[import-not-found]  # installed elsewhere
    ApplicationRecorder,
    InfrastructureFactory,
    StoredEvent,
)

STREAMS_PER_WRITER = 20
EVENT = json.dumps({"cik": 320193, "accession": "0000320193-23-000106", "text": "x" * 120}).encode()


class Company(Aggregate):
    @event("Registered")
    def __init__(self) -> None:
        self.filings = 0

    @event("FilingReported")
    def report_filing(self, cik: int, accession: str, text: str) -> None:
        self.filings += 1


class Companies(Application):
    name = "stored"


def environment_of(url: str, *, create: bool) -> dict[str, str]:
    """This will name the database the way the package's documentation says: by environment variables."""
    address = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": address.path.lstrip("/"),
        "POSTGRES_HOST": address.hostname or "",
        "POSTGRES_PORT": str(address.port),
        "POSTGRES_USER": address.username or "",
        "CREATE_TABLE": "y" if create else "n",
        "POSTGRES_ENABLE_DB_FUNCTIONS": os.environ.get("POSTGRES_ENABLE_DB_FUNCTIONS", "n"),
        "POSTGRES_PASSWORD": unquote(address.password or ""),
    }


def recorder_at(url: str, *, create: bool) -> ApplicationRecorder:
    """This will make the package's recorder."""
    return InfrastructureFactory.construct(environment_of(url, create=create)).application_recorder()


def command(url: str) -> None:
    app = Companies(env=environment_of(url, create=False))
    companies = [Company() for _ in range(STREAMS_PER_WRITER)]
    for company in companies:
        app.save(company)
    ids = [company.id for company in companies]
    content = json.loads(EVENT)
    seconds = float(start())
    written = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        company = app.repository.get(ids[written % STREAMS_PER_WRITER])
        company.report_filing(**content)
        app.save(company)
        written += 1
    print(json.dumps({"written": written, "before": STREAMS_PER_WRITER}), flush=True)


def write(url: str) -> None:
    recorder = recorder_at(url, create=False)
    streams = [uuid4() for _ in range(STREAMS_PER_WRITER)]
    versions: dict[UUID, int] = defaultdict(int)
    recorder.max_notification_id()
    seconds = float(start())
    written = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        stream = streams[written % STREAMS_PER_WRITER]
        versions[stream] += 1
        event = StoredEvent(
            originator_id=stream, originator_version=versions[stream], topic="FilingReported", state=EVENT
        )
        recorder.insert_events([event])
        written += 1
    print(json.dumps({"written": written}), flush=True)


def read(url: str) -> None:
    recorder = recorder_at(url, create=True)
    versions: dict[object, int] = defaultdict(int)
    last = seen = swapped = 0
    start()
    stopping = threading.Event()

    def listen() -> None:
        sys.stdin.readline()
        stopping.set()

    threading.Thread(target=listen, daemon=True).start()
    while (events := recorder.select_notifications(start=last + 1, limit=1000)) or not stopping.wait(0.01):
        for seen_event in events:
            swapped += seen_event.originator_version != versions[seen_event.originator_id] + 1
            versions[seen_event.originator_id] = seen_event.originator_version
            last = seen_event.id
            seen += 1
    print(json.dumps({"seen": seen, "swapped": swapped}), flush=True)


def start() -> str:
    print("ready", flush=True)
    return sys.stdin.readline().strip()


if __name__ == "__main__":
    _, role, url, _ = sys.argv
    {"recorder": write, "application": command, "reader": read}[role](url)
