"""
Aggregates answered from Redis, beside a bare ASGI application that does one Redis GET of the same bytes.

    python -m benchmarks.read quick     three rounds of two seconds
    python -m benchmarks.read full      nine rounds of five seconds

Both are served by uvicorn with one worker and asked over 32 kept connections from a process of its own. Rounds of the
two take turns; every answer is compared with what the tables say. Besides answers a second, the processor time the
server spent on an answer is told: it does not depend on how fast the asking side is.
"""

import argparse
import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import uvloop
from redis import Redis

from benchmarks.bare_read import BODY_KEY
from config.embedded.postgres import EmbeddedPostgres
from config.embedded.valkey import EmbeddedValkey
from projections.redis_views import follow

ROOT = Path(__file__).parent.parent
CONNECTIONS = 32
TARGET_RATIO = 0.5
PATH = "/v1/aggregates?metric=revenue&group_by=sector&period=CY2023"
SECTORS = (
    "agriculture",
    "construction",
    "finance",
    "manufacturing",
    "mining",
    "public-administration",
    "retail-trade",
    "services",
    "transportation-and-utilities",
    "wholesale-trade",
)
_PATIENCE_SECONDS = 60


class FiguresWrong(Exception):
    """An answer was fast and wrong; its speed says nothing."""


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the target is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.read", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=("quick", "full", "asker"))
    parser.add_argument("address", nargs="?")
    parser.add_argument("path", nargs="?")
    parser.add_argument("seconds", nargs="?", type=float)
    given = parser.parse_args(arguments)
    if given.size == "asker":
        print(json.dumps(uvloop.run(_ask(given.address, given.path, given.seconds))))
        return 0
    rounds, seconds = (3, 2.0) if given.size == "quick" else (9, 5.0)
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as name, _servers(Path(name)) as environ:
        body = _fill(environ)
        with (
            _served("config.asgi:application", environ) as ours,
            _served("benchmarks.bare_read:application", environ) as bare,
        ):
            measured: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
            for server in (ours, bare):
                _round(server, body, seconds=1.0)
            for _ in range(rounds):
                measured["ours"].append(_round(ours, body, seconds=seconds))
                measured["bare"].append(_round(bare, body, seconds=seconds))
    rate = {who: statistics.median(run["rate"] for run in runs) for who, runs in measured.items()}
    cost = {who: statistics.median(run["cpu_us"] for run in runs) for who, runs in measured.items()}
    ratios = [a["rate"] / b["rate"] for a, b in zip(measured["ours"], measured["bare"], strict=True)]
    result = {
        "connections": CONNECTIONS,
        "body_bytes": len(body),
        "answers_per_second": {who: round(value) for who, value in rate.items()},
        "server_cpu_us_per_answer": {who: round(value) for who, value in cost.items()},
        "p99_ms": {who: round(statistics.median(run["p99_ms"] for run in runs), 1) for who, runs in measured.items()},
        "ratio_to_bare": round(statistics.median(ratios), 3),
        "ratio_to_bare_by_cpu": round(cost["bare"] / cost["ours"], 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "targets": {"ratio_to_bare": TARGET_RATIO},
    }
    print(json.dumps(result, indent=1))
    return 0 if statistics.median(ratios) >= TARGET_RATIO else 1


class _Server:
    """A uvicorn process and where it listens."""

    def __init__(self, address: str, process: subprocess.Popen[bytes]) -> None:
        self.address = address
        self.process = process

    def cpu_seconds(self) -> float:
        """Processor time of the process, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _round(server: _Server, body: bytes, *, seconds: float) -> dict[str, float]:
    before = server.cpu_seconds()
    asker = [sys.executable, "-m", "benchmarks.read", "asker", server.address, PATH, str(seconds)]
    told = json.loads(subprocess.run(asker, cwd=ROOT, check=True, capture_output=True).stdout)
    spent = server.cpu_seconds() - before
    if told["bodies"] != [body.decode()]:
        raise FiguresWrong(f"{server.address} answered {told['bodies']!r} instead of {body!r}")
    return {
        "rate": told["answers"] / told["seconds"],
        "cpu_us": spent / told["answers"] * 1e6,
        "p99_ms": told["p99_ms"],
    }


class _Asker(asyncio.Protocol):
    """One kept connection that asks again as soon as it is answered."""

    def __init__(self, request: bytes, told: dict[bytes, None], waits: list[float]) -> None:
        self._request = request
        self._told = told
        self._waits = waits
        self._held = b""
        self._asked_at = 0.0
        self.answers = 0
        self.done = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]  # a TCP connection's transport writes

    def data_received(self, data: bytes) -> None:
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._held[:end].lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start : head.find(b"\r", start) if b"\r" in head[start:] else None])
        if len(self._held) < end + 4 + length:
            return
        self._told[self._held[end + 4 : end + 4 + length]] = None
        self._held = b""
        self._waits.append(time.perf_counter() - self._asked_at)
        self.answers += 1
        if not self.done:
            self._ask()

    def stop(self) -> None:
        """This will ask nothing more."""
        self.done = True


async def _ask(address: str, path: str, seconds: float) -> dict[str, Any]:
    host, _, port = address.removeprefix("http://").partition(":")
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode()
    told: dict[bytes, None] = {}
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    askers = []
    for _ in range(CONNECTIONS):
        _, asker = await loop.create_connection(lambda: _Asker(request, told, waits), host, int(port))
        askers.append(asker)
    await asyncio.sleep(seconds)
    answers = sum(asker.answers for asker in askers)
    elapsed = time.perf_counter() - started
    for asker in askers:
        asker.stop()
    return {
        "answers": answers,
        "seconds": elapsed,
        "p99_ms": statistics.quantiles(waits, n=100)[98] * 1000,
        "bodies": [body.decode() for body in told],
    }


def _fill(environ: dict[str, str]) -> bytes:
    """This will write figures of ten sectors, bring Redis up to them, and give the answer that is right."""
    with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        for number, sector in enumerate(SECTORS, start=1):
            values = [Decimal(number * 1_000_000_007 * rank) for rank in range(1, 41)]
            ciks = [number * 1000 + rank for rank in range(1, 41)]
            names = [f"T{number}X{rank}" for rank in range(1, 41)]
            connection.execute(
                "insert into figures_v1.company (cik, name, name_as_filed) "
                "select cik, name, name from unnest(%s::bigint[], %s::text[]) as row (cik, name)",
                (ciks, names),
            )
            total, squares = sum(values, Decimal(0)), sum((value**2 for value in values), Decimal(0))
            statistics_of = [len(values), total, squares, total / len(values), values[0], *values[4:37:8], values[-1]]
            ends = [ciks[:5], values[:5], ciks[:-6:-1], values[:-6:-1]]
            connection.execute(
                f"insert into figures_v1.group_aggregate values ({', '.join(['%s'] * 22)})",
                ("revenue", "CY2023", "sector", sector, "USD", *statistics_of, None, None, *ends),
            )
        connection.execute("update figures_v1.freshness set seq = 1, position = 48210")
        with Redis.from_url(environ["REDIS_URL"]) as redis:
            follow(connection, redis)
            with _served("config.asgi:application", environ) as ours:
                body = _get(ours.address + PATH)
            told = json.loads(body, parse_float=Decimal)
            held = connection.execute("select group_key, sum from figures_v1.group_aggregate order by 1").fetchall()
            if (
                told["meta"]["source"] != "redis"
                or [(row["group"], Decimal(row["sum"])) for row in told["data"]] != held
            ):
                raise FiguresWrong(f"the answer is not what the tables say: {body[:400]!r}")
            redis.set(BODY_KEY, body)
    return body


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        body: bytes = answer.read()
    return body


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, str]]:
    """An embedded PostgreSQL and Valkey of our own, migrated; the environment that leads to them."""
    postgres = EmbeddedPostgres(folder / "postgres", password=secrets.token_hex(8), durable=False)
    valkey = EmbeddedValkey(folder / "valkey", password=secrets.token_hex(8), durable=False)
    postgres.start()
    try:
        valkey.start()
        environ = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": postgres.url("postgres"),
            "REDIS_URL": valkey.url(),
            "FACTFOLD_ANONYMOUS": "true",
        }
        migrate = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, check=True, cwd=ROOT, env=environ)
        yield environ
    finally:
        valkey.stop()
        postgres.stop()


@contextmanager
def _served(application: str, environ: dict[str, str]) -> Iterator[_Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--ws", "none", "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", application, *options, "--no-server-header", "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=ROOT, env=environ)
    try:
        _wait_until_listening(port, process)
        yield _Server(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the server did not listen in time")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
