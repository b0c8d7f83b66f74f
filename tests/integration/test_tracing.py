"""One command, one trace: from its request through log, doorbell and projector to Redis."""

import gzip
import json
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import psycopg
import pytest
from celery.contrib.testing.worker import start_worker
from django.test import Client
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis import Redis

from commands.cloud_events import decode_bell, encode_bell
from commands.doorbells.celery import CeleryDoorbell
from commands.doorbells.memory import MemoryDoorbell
from commands.doorbells.sqs import SqsDoorbell
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from commands.publishing import publish_pending
from config.tracing import start_tracing
from projections.delivery.lambda_handler import handler
from projections.delivery.poller import poll_once
from projections.sweeper import drain
from tests.fixtures.emulated_aws import EmulatedAws, running_emulator
from tests.fixtures.filings import NOW
from tests.fixtures.waiting import wait_until

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACESTATE = "vendor=a-word"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
WAY = {"dispatch", "sequence", "publish", "answer bells", "catch_up", "refresh", "redis follow"}

type Door = Callable[[psycopg.Connection], None]


class FiveSeconds:
    def get_remaining_time_in_millis(self) -> int:
        return 5000


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans of this process, as if a provider were configured."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("commands.tracing._TRACER", provider.get_tracer("test"))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def registered(connection: psycopg.Connection, redis: Redis, spans: InMemorySpanExporter) -> Redis:
    """A company whose registration readers see already."""
    post_company(1, traceparent=None)
    drain(connection, redis)
    publish_pending(connection, MemoryDoorbell())
    spans.clear()
    return redis


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatedAws]:
    with running_emulator() as emulator:
        yield emulator


@pytest.fixture(params=["lambda", "poller", "celery"])
def door(request: pytest.FixtureRequest) -> Door:
    """Rings for what is in the log and answers the bells."""
    match request.param:
        case "lambda":
            return through_lambda
        case "poller":
            aws: EmulatedAws = request.getfixturevalue("emulator")
            return lambda connection: through_poller(connection, aws)
        case _:
            return through_celery


def through_lambda(connection: psycopg.Connection) -> None:
    doorbell = MemoryDoorbell()
    publish_pending(connection, doorbell)
    records = [
        {"messageId": str(index), "body": encode_bell(bell, now=NOW)} for index, bell in enumerate(doorbell.rung)
    ]
    assert handler({"Records": records}, FiveSeconds()) == {"batchItemFailures": []}


def through_poller(connection: psycopg.Connection, aws: EmulatedAws) -> None:
    queue_url = aws.make_queue()
    publish_pending(connection, SqsDoorbell(aws.sqs, queue_url=queue_url))
    wait_until(lambda: poll_once(aws.sqs, queue_url=queue_url, wait_seconds=1))


def through_celery(connection: psycopg.Connection) -> None:
    from config.celery import app
    from projections.delivery import tasks  # noqa: F401  # registers the task, as the worker's imports do

    with start_worker(app, pool="solo", perform_ping_check=False):
        publish_pending(connection, CeleryDoorbell(app))
        wait_until(lambda: readable(connection) == 2)


def readable(connection: psycopg.Connection) -> int:
    row = connection.execute("select position from figures_v1.freshness").fetchone()
    assert row is not None
    return int(row[0])


def post_company(cik: int, *, traceparent: str | None = TRACEPARENT) -> Any:
    headers = {"host": "127.0.0.1"} | ({"traceparent": traceparent, "tracestate": TRACESTATE} if traceparent else {})
    body = json.dumps({"cik": cik, "name": f"Company {cik}"})
    return Client(headers=headers).post("/v1/commands/RegisterCompany", body, content_type="application/json")


def post_filing() -> Any:
    revenue = {"concept": "us-gaap:Revenues", "unit": "USD", "start": "2023-01-01", "end": "2023-12-31", "value": 1000}
    filing = {"cik": 1, "accession": "0000000001-24-000001", "form": "10-K", "filed_on": "2024-02-15"}
    client = Client(headers={"host": "127.0.0.1", "traceparent": TRACEPARENT, "tracestate": TRACESTATE})
    body = json.dumps({**filing, "facts": [revenue]})
    return client.post("/v1/commands/ReportFiling", body, content_type="application/json")


def names_in_trace(spans: InMemorySpanExporter) -> set[str]:
    return {span.name for span in finished(spans) if f"{span.context.trace_id:032x}" == TRACE_ID}


def finished(spans: InMemorySpanExporter) -> list[Any]:
    found: tuple[ReadableSpan, ...] = spans.get_finished_spans()
    return list(found)


class TestOneCommand:
    def test_is_one_trace_through_every_door(
        self, connection: psycopg.Connection, registered: Redis, spans: InMemorySpanExporter, door: Door
    ) -> None:
        assert post_filing().status_code == 202
        sequence_pending(connection)
        door(connection)
        wait_until(lambda: names_in_trace(spans) >= WAY)

        assert names_in_trace(spans) == WAY | {"POST /v1/commands/ReportFiling"}
        assert {f"{span.context.trace_id:032x}" for span in finished(spans)} == {TRACE_ID}
        assert {span.context.trace_state.to_header() for span in finished(spans)} == {TRACESTATE}

    def test_is_one_trace_also_where_only_the_sweeper_does_the_work(
        self, connection: psycopg.Connection, registered: Redis, spans: InMemorySpanExporter
    ) -> None:
        post_filing()
        drain(connection, registered)

        assert names_in_trace(spans) >= WAY - {"publish", "answer bells"}

    def test_makes_each_span_the_child_of_what_caused_it(
        self, connection: psycopg.Connection, registered: Redis, spans: InMemorySpanExporter
    ) -> None:
        post_filing()
        sequence_pending(connection)
        through_lambda(connection)

        by_id = {span.context.span_id: span.name for span in finished(spans)}
        parents = {span.name: by_id.get(span.parent.span_id, "the sender") for span in finished(spans)}
        assert parents == {
            "POST /v1/commands/ReportFiling": "the sender",
            "dispatch": "POST /v1/commands/ReportFiling",
            "sequence": "dispatch",
            "publish": "dispatch",
            "answer bells": "publish",
            "catch_up": "answer bells",
            "refresh": "answer bells",
            "redis follow": "answer bells",
        }

    def test_is_linked_to_the_batch_it_is_folded_in(
        self, connection: psycopg.Connection, redis: Redis, spans: InMemorySpanExporter
    ) -> None:
        other = TRACEPARENT.replace("0af7", "beef")
        shard_mates = [cik for cik in range(1, 60) if shard_of(cik) == shard_of(1)][:2]
        for cik, traceparent in zip(shard_mates, (TRACEPARENT, other), strict=True):
            post_company(cik, traceparent=traceparent)
        sequence_pending(connection)
        through_lambda(connection)

        (batch,) = [span for span in finished(spans) if span.name == "catch_up"]
        assert {f"{link.context.trace_id:032x}" for link in batch.links} == {TRACE_ID, other.split("-")[1]}


class TestWithoutAProvider:
    def test_the_senders_context_is_kept_and_handed_on(self, connection: psycopg.Connection, redis: Redis) -> None:
        post_company(1)
        sequence_pending(connection)
        doorbell = MemoryDoorbell()
        publish_pending(connection, doorbell)

        (event,) = read_log(connection, after=0, max_events=10)
        assert (event.traceparent, event.tracestate) == (TRACEPARENT, TRACESTATE)
        assert [bell.origin for bell in doorbell.rung] == [(TRACEPARENT, TRACESTATE)]

    @pytest.mark.parametrize("traceparent", [None, "nonsense", '00-"};drop', "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
    def test_nothing_is_kept_of_a_context_that_is_none(
        self, connection: psycopg.Connection, traceparent: str | None
    ) -> None:
        post_company(1, traceparent=traceparent)
        sequence_pending(connection)

        (event,) = read_log(connection, after=0, max_events=10)
        assert event.traceparent is None

    def test_nothing_is_loaded(self) -> None:
        assert start_tracing("test", environ={}) is None
        assert (
            start_tracing("test", environ={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"})
            is None
        )


class TestAProvider:
    def test_sends_the_spans_of_a_process_to_the_endpoint_before_it_ends(self) -> None:
        received: list[tuple[str, bytes]] = []

        class Collector(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                """Says nothing."""

        server = HTTPServer(("127.0.0.1", 0), Collector)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        program = (
            "from config.tracing import start_tracing\n"
            "from commands.tracing import continued\n"
            "start_tracing('test')\n"
            "with continued('a span of this test'): pass\n"
        )
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"

        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "no_proxy": "127.0.0.1"},
        )
        server.shutdown()
        server.server_close()

        ((path, body),) = received
        told = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        assert path == "/v1/traces"
        assert b"a span of this test" in told
        assert b"factfold" in told


class TestBells:
    def test_carry_the_context_as_an_extension_and_not_among_the_data(
        self, connection: psycopg.Connection, emulator: EmulatedAws
    ) -> None:
        post_company(1)
        sequence_pending(connection)
        queue_url = emulator.make_queue()
        publish_pending(connection, SqsDoorbell(emulator.sqs, queue_url=queue_url))

        (message,) = emulator.sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"])["Messages"]

        event = json.loads(message["Body"])
        assert event["traceparent"] == TRACEPARENT
        assert event["tracestate"] == TRACESTATE
        assert event["data"].keys().isdisjoint(("traceparent", "tracestate"))
        told = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        assert told == {"traceparent": TRACEPARENT, "tracestate": TRACESTATE}
        assert decode_bell(message["Body"]).origin == (TRACEPARENT, TRACESTATE)


def shard_of(cik: int) -> int:
    return zlib.crc32(f"company-{cik}".encode()) % 8
