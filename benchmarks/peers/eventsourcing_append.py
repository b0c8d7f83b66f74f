"""
The other side of `benchmarks.append`: the `eventsourcing` package, on its own venv.

In its default, safe mode; with `POSTGRES_ENABLE_DB_FUNCTIONS=y` in the environment in the one that appends by
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

from eventsourcing.persistence import (  # type: ignore[import-not-found]  # installed elsewhere
    ApplicationRecorder,
    InfrastructureFactory,
    StoredEvent,
)

STREAMS_PER_WRITER = 20
EVENT = json.dumps({"cik": 320193, "accession": "0000320193-23-000106", "text": "x" * 120}).encode()


def recorder_at(url: str, *, create: bool) -> ApplicationRecorder:
    """This will make the package's recorder the way its documentation says: from environment variables."""
    address = urlsplit(url)
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": address.path.lstrip("/"),
        "POSTGRES_HOST": address.hostname or "",
        "POSTGRES_PORT": str(address.port),
        "POSTGRES_USER": address.username or "",
        "CREATE_TABLE": "y" if create else "n",
        "POSTGRES_ENABLE_DB_FUNCTIONS": os.environ.get("POSTGRES_ENABLE_DB_FUNCTIONS", "n"),
        "POSTGRES_PASSWORD": unquote(address.password or ""),
    }
    return InfrastructureFactory.construct(environment).application_recorder()


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
        for event in events:
            swapped += event.originator_version != versions[event.originator_id] + 1
            versions[event.originator_id] = event.originator_version
            last = event.id
            seen += 1
    print(json.dumps({"seen": seen, "swapped": swapped}), flush=True)


def start() -> str:
    print("ready", flush=True)
    return sys.stdin.readline().strip()


if __name__ == "__main__":
    _, role, url, _ = sys.argv
    write(url) if role == "writer" else read(url)
