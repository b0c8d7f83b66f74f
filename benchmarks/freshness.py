"""
From a command accepted over REST to its figure in an aggregate over REST, idle and while others read.

    .venv/bin/python -m benchmarks.freshness quick     40 commands idle, 40 while readers run
    .venv/bin/python -m benchmarks.freshness full      300 of each

The whole installation runs as `manage.py up` starts it, with the bundled sample. Each command reports an annual filing
of a company that had none: with the answer 202 the clock starts, and stops when the aggregate of its sector, asked for
again and again over one kept connection, holds exactly its revenue more than before. Idle, nothing else is asked of
the installation. Loaded, readers in processes of their own ask for aggregates at half the rate that 32 connections
reached at most in the moment before; they share the machine's processors with what is measured.
"""

import argparse
import asyncio
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks.installation import ROOT, running_installation
from benchmarks.machine import Machine
from config.env import RunningInstallation

IDLE_P99_MS = 250
LOADED_P99_MS = 1_000
CONNECTIONS = 32
PERIOD = "CY2023"
READ_PATH = f"/v1/aggregates?metric=revenue&group_by=sector&period={PERIOD}"
_SECTOR, _SIC = "services", "7372"
_POLL_SECONDS = 0.01
_QUIET_SECONDS = 0.15
_PATIENCE_SECONDS = 30
_FLOWS = (
    "Revenues",
    "CostOfRevenue",
    "GrossProfit",
    "OperatingIncomeLoss",
    "NetIncomeLoss",
    "IncomeTaxExpenseBenefit",
)
_BALANCES = ("Assets", "Liabilities", "StockholdersEquity", "AssetsCurrent", "LiabilitiesCurrent")


class FiguresWrong(Exception):
    """An answer was fast and wrong; its speed says nothing."""


class Sector(NamedTuple):
    """What a sector's aggregate says."""

    n: int
    sum: Decimal


class Client:
    """One kept connection to the API."""

    def __init__(self, api_url: str) -> None:
        address = urlsplit(api_url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_PATIENCE_SECONDS)
        self._connection.connect()

    def post(self, path: str, body: Any) -> Any:
        """This will send a command and insist that it is accepted."""
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return self._answer(202)

    def sector(self) -> Sector:
        """This will ask for the aggregate the commands of this benchmark belong to."""
        self._connection.request("GET", READ_PATH)
        for row in self._answer(200)["data"]:
            if row["group"] == _SECTOR:
                return Sector(row["n"], Decimal(row["sum"]))
        return Sector(0, Decimal(0))

    def _answer(self, status: int) -> Any:
        response = self._connection.getresponse()
        body = response.read()
        if response.status != status:
            raise FiguresWrong(f"{response.status} instead of {status}: {body[:400]!r}")
        return json.loads(body, parse_float=Decimal)


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the targets are met."""
    parser = argparse.ArgumentParser(prog="benchmarks.freshness", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=("quick", "full", "reader"))
    parser.add_argument("address", nargs="?")
    parser.add_argument("rate", nargs="?", type=float)
    given = parser.parse_args(arguments)
    if given.size == "reader":
        uvloop.run(_read(given.address, rate=given.rate))
        return 0
    commands = 40 if given.size == "quick" else 300
    with (
        tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as folder,
        running_installation(Path(folder) / "data") as installation,
    ):
        client = Client(installation.api_url)
        _register(client, count=2 * commands + 10)
        _waits_ms(client, range(10))
        machine = Machine(also=installation.pid)
        idle = _waits_ms(client, range(10, 10 + commands))
        idle_load = machine.told()
        with _reading(installation, rate=None) as told:
            time.sleep(3)
        capacity = told()
        machine = Machine(also=installation.pid)
        with _reading(installation, rate=capacity / 2) as told:
            time.sleep(1)
            loaded = _waits_ms(client, range(10 + commands, 10 + 2 * commands))
        reached = told()
        loaded_load = machine.told()
    result = {
        "commands": commands,
        "idle_ms": _described(idle),
        "loaded_ms": _described(loaded),
        "capacity_answers_per_second": round(capacity),
        "loaded_answers_per_second": round(reached),
        "machine": {"idle": idle_load, "loaded": loaded_load},
        "targets": {"idle_p99_ms": IDLE_P99_MS, "loaded_p99_ms": LOADED_P99_MS},
    }
    print(json.dumps(result, indent=1))
    return 0 if _percentile(idle, 99) <= IDLE_P99_MS and _percentile(loaded, 99) <= LOADED_P99_MS else 1


def _register(client: Client, *, count: int) -> None:
    before = client.sector()
    for number in range(count):
        command = {"cik": _cik(number), "name": f"Company {number}", "sic": _SIC, "country": "US"}
        client.post("/v1/commands/RegisterCompany", command)
    time.sleep(1)
    if client.sector() != before:
        raise FiguresWrong("companies without filings changed an aggregate")


def _cik(number: int) -> int:
    return 9_100_000 + number


def _waits_ms(client: Client, numbers: range) -> list[float]:
    """How long after being accepted each of some filings was readable. They come at odd moments, one after another."""
    moments = random.Random(numbers.start)
    waits = []
    expected = client.sector()
    for number in numbers:
        time.sleep(_QUIET_SECONDS * moments.uniform(0.5, 1.5))
        filing = _filing(number)
        expected = Sector(expected.n + 1, expected.sum + _revenue(number))
        client.post("/v1/commands/ReportFiling", filing)
        accepted = time.perf_counter()
        before = None
        while (found := client.sector()) != expected:
            if before is not None and found != before:
                raise FiguresWrong(f"the sector went from {before} to {found} instead of {expected}")
            before = found
            if time.perf_counter() - accepted > _PATIENCE_SECONDS:
                raise FiguresWrong(f"after {_PATIENCE_SECONDS} s the sector is {found} instead of {expected}")
            time.sleep(_POLL_SECONDS)
        waits.append((time.perf_counter() - accepted) * 1000)
    return waits


def _revenue(number: int) -> int:
    return 1_000_000_007 + number


def _filing(number: int) -> dict[str, Any]:
    years = [(f"{year}-01-01", f"{year}-12-31") for year in (2021, 2022, 2023)]
    facts: list[dict[str, Any]] = []
    for place, concept in enumerate(_FLOWS):
        for start, end in years:
            value = _revenue(number) // (place + 1)
            facts.append({"concept": f"us-gaap:{concept}", "unit": "USD", "start": start, "end": end, "value": value})
    for place, concept in enumerate(_BALANCES):
        for _, end in years[1:]:
            value = 5 * _revenue(number) // (place + 1)
            facts.append({"concept": f"us-gaap:{concept}", "unit": "USD", "end": end, "value": value})
    cik = _cik(number)
    return {
        "cik": cik,
        "accession": f"{cik:010}-24-000001",
        "form": "10-K",
        "filed_on": "2024-02-15",
        "accepted_at": "2024-02-15T21:05:00Z",
        "facts": facts,
    }


class _Asker(asyncio.Protocol):
    """One kept connection that asks every `pause` seconds; a late answer is waited for."""

    def __init__(self, request: bytes, *, pause: float) -> None:
        self._request = request
        self._pause = pause
        self._held = b""
        self._due = 0.0
        self.answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + random.random() * self._pause
        self._loop.call_at(self._due, self._ask)

    def _ask(self) -> None:
        self._transport.write(self._request)  # type: ignore[attr-defined]  # a TCP connection's transport writes

    def data_received(self, data: bytes) -> None:
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._held[:end].lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(self._held) < end + 4 + length:
            return
        if b" 200 " not in head[:16]:
            raise FiguresWrong(f"a reader was answered {head[:80]!r}")
        self._held = b""
        self.answers += 1
        self._due = max(self._due + self._pause, self._loop.time())
        self._loop.call_at(self._due, self._ask)


async def _read(api_url: str, *, rate: float) -> None:
    """This will read until the parent says stop, `rate` answers a second (0: as many as come), and print the rate."""
    host, _, port = api_url.removeprefix("http://").partition(":")
    request = f"GET {READ_PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    askers = []
    begun = time.perf_counter()
    pause = CONNECTIONS / rate if rate else 0.0
    for _ in range(CONNECTIONS):
        _, asker = await loop.create_connection(lambda: _Asker(request, pause=pause), host, int(port))
        askers.append(asker)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    answers = sum(asker.answers for asker in askers)
    print(answers / (time.perf_counter() - begun), flush=True)


@contextmanager
def _reading(installation: RunningInstallation, *, rate: float | None) -> Iterator[Any]:
    """This will read meanwhile, from a process of its own; what it gives tells afterwards how many answers a second."""
    command = [sys.executable, "-m", "benchmarks.freshness", "reader", installation.api_url, str(rate or 0)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    told: list[float] = []
    try:
        if process.stdout.readline().strip() != "ready":
            raise FiguresWrong("the readers did not start")
        yield lambda: told[0]
        process.stdin.write("stop\n")
        process.stdin.flush()
        told.append(float(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(_PATIENCE_SECONDS)


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _described(values: Sequence[float]) -> dict[str, float]:
    named = {"p50": _percentile(values, 50), "p90": _percentile(values, 90), "p99": _percentile(values, 99)}
    return {name: round(value, 1) for name, value in {**named, "max": max(values)}.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
