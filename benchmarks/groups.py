"""
Group aggregates at the size of the SEC: worked out whole, followed after one filing, and asked for.

    .venv/bin/python -m benchmarks.groups hundredth     60 filers, 15 years
    .venv/bin/python -m benchmarks.groups tenth         600 filers
    .venv/bin/python -m benchmarks.groups full          6,000 filers: some 35 million values, 25 minutes and 30 GB

Values are made up, always the same ones, three fifths of all that could be. Working all groups out takes turns with
one plain `group by … percentile_cont` pass over the same rows on the same server, which at full size is made once.
Then single companies state their newest year anew, some 130 cells each, and the time is told from the word to the
tables and to Redis; then for the 430 of a peak day, at moments drawn by lot as dense as they came on 2021-03-31, 146
within an hour and thirteen of these within a minute, by a clock that passes over the time in which nothing is to do;
and for thirteen at once. When both servers have come to rest, readers ask, on the event loop the api runs on, about
another company each time where one has to be named. Groups are recomputed here by sorting, and must be the same.
"""

import argparse
import dataclasses
import gc
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import uvloop
from redis import Redis

from benchmarks.databases import Databases, running_databases
from benchmarks.machine import Machine
from commands.sql import load_statements

if TYPE_CHECKING:
    from queries.rest.app import ReadApi

COMPANIES = {"hundredth": 60, "tenth": 600, "full": 6_000}
LEAST_TO_PLAIN = 0.5
FOLLOWED_MS, PEAK_MS, FRAME_MS, STANDING_MS, SCREEN_MS, AS_OF_MS = 1_000, 2_000, 10, 2, 50, 500
_FIRST_CIK = 9_200_001
_FILINGS, _AT_ONCE, _MOMENTS = 200, 13, 5
# Of a peak day: seconds from the first to the last moment of a stretch of it, and how many file within.
_PEAK_DAY = ((0, 16 * 3_600, 284), (10 * 3_600, 11 * 3_600, 133), (10 * 3_600 + 300, 10 * 3_600 + 360, 13))
_MAKERS = 2
_SECTORS = ("mining", "manufacturing", "retail-trade", "finance", "services")
_SQL = load_statements("benchmarks", "groups.sql")

_SCREEN = "&".join(
    f"where={condition}"
    for condition in (
        "revenue>1e9",
        "net_margin>0.1",
        "total_assets>1e9",
        "roe>0.1",
        "gross_margin>0.1",
        "current_ratio>0.1",
        "operating_income>1e8",
        "sector=services",
    )
)
_QUESTIONS: dict[str, tuple[str, int]] = {
    "frame page": ("/v1/frames/revenue/CY2025?limit=100", FRAME_MS),
    "ranking page": ("/v1/rankings?metric=revenue&period=CY2025&limit=100", FRAME_MS),
    "standing": ("/v1/companies/{cik}/standing?metrics=revenue&period=CY2025", STANDING_MS),
    "screen": (f"/v1/screen?{_SCREEN}&period=CY2025", SCREEN_MS),
}


class FiguresWrong(Exception):
    """A run was fast and wrong; its speed says nothing."""


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the targets are met."""
    parser = argparse.ArgumentParser(prog="benchmarks.groups", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=tuple(COMPANIES))
    companies = COMPANIES[parser.parse_args(arguments).size]
    machine = Machine()
    with tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as name, running_databases(Path(name)) as databases:
        result, met = _measure(databases, companies)
    print(json.dumps({"companies": companies, **result, "machine": machine.told()}, indent=1))
    return 0 if met else 1


def _measure(databases: Databases, companies: int) -> tuple[dict[str, Any], bool]:
    url = databases.migrated("groups")
    with (
        psycopg.connect(url, autocommit=True) as connection,
        Redis.from_url(databases.redis_url) as redis,
    ):
        connection.execute("set search_path = figures_v1")
        made = _seconds(lambda: _make(connection, companies))
        _tell("values made")
        plain = [_seconds(lambda: _pass_plainly(connection))]
        _tell("plain pass")
        whole = [_seconds(lambda: _work_out_everything(connection, url))]
        _tell("all groups")
        if companies < COMPANIES["full"]:
            plain.append(_seconds(lambda: _pass_plainly(connection)))
            _tell("plain pass")
        connection.execute("vacuum analyze group_aggregate, frame_value")
        sizes = _check(connection)
        _follow_filings(connection, redis, [_FIRST_CIK])
        _tell("all groups in Redis")
        filers = cycle(range(_FIRST_CIK, _FIRST_CIK + companies))
        followed = [_follow_filings(connection, redis, [next(filers)]) for _ in range(_FILINGS)]
        _tell("filings one by one")
        lags = list(_play_day(connection, redis, filers))
        _tell("peak day")
        at_once = [_follow_filings(connection, redis, islice(filers, _AT_ONCE)) for _ in range(_MOMENTS)]
        _tell("filings at once")
        _check(connection)
        memory: Any = redis.info("memory")
        _wait_for_quiet(connection, redis)
        _tell("quiet")
    asked = uvloop.run(_ask_all(url))
    ratio = statistics.mean(plain) / whole[0]
    targets = {
        "whole": ratio >= LEAST_TO_PLAIN,
        "followed": _p99([sum(each) for each in followed]) <= FOLLOWED_MS,
        "peak_day": max(lags) <= PEAK_MS,
        **{name: found["p99_ms"] <= _QUESTIONS[name][1] for name, found in asked.items() if name in _QUESTIONS},
        "as_of": asked["as_of cold"]["p99_ms"] <= AS_OF_MS,
    }
    return {
        "made_seconds": round(made, 1),
        "rows": {name: sizes[name] for name in ("value_rows", "group_rows")},
        "bytes_a_company": {
            "values": sizes["values"] // companies,
            "frames": sizes["frames"] // companies,
            "aggregates": sizes["aggregates"] // companies,
            "redis": memory["used_memory"] // companies,
        },
        "plain_pass_seconds": [round(each, 2) for each in plain],
        "all_groups_seconds": [round(each, 2) for each in whole],
        "ratio_to_plain_pass": round(ratio, 2),
        "one_filing_ms": _steps(followed),
        "peak_day_lag_ms": {
            "filings": len(lags),
            "p50": round(statistics.median(lags)),
            "p99": round(_p99(lags)),
            "max": round(max(lags)),
        },
        "thirteen_at_once_ms": _steps(at_once),
        "asked": asked,
        "met": targets,
    }, all(targets.values())


def _make(connection: psycopg.Connection, companies: int) -> None:
    from queries.metrics.catalogue import load_catalogue

    metrics = load_catalogue().published()
    connection.execute(_SQL["periods"])
    connection.execute(_SQL["companies"], {"companies": companies})
    connection.execute(_SQL["classifications"])
    stated = {
        "key": [metric.key for metric in metrics],
        "over": [metric.over for metric in metrics],
        "unit": [metric.unit for metric in metrics],
        "is_ratio": [metric.kind == "ratio" for metric in metrics],
    }

    def make_part(part: int) -> None:
        first, last = (companies * number // _MAKERS for number in (part, part + 1))
        with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as maker:
            maker.execute("set search_path = figures_v1")
            maker.execute(_SQL["values"], {**stated, "first": first + 1, "last": last})

    with ThreadPoolExecutor() as makers:
        list(makers.map(make_part, range(_MAKERS)))
    connection.execute("vacuum analyze metric_value")
    connection.execute("vacuum analyze company")
    connection.execute("vacuum analyze company_classification")


def _pass_plainly(connection: psycopg.Connection) -> None:
    """What comes out is read and dropped: keeping millions of rows would be counted against the baseline."""
    with connection.cursor().copy(_SQL["plain_pass"]) as rows:
        for _ in rows:
            pass


def _work_out_everything(connection: psycopg.Connection, url: str) -> None:
    """As a rebuild does, in a process for each processor."""
    from projections.group_building import GroupTask, begin_groups, build_groups
    from projections.projection import live_version

    version = live_version(connection, "figures")
    begin_groups(connection, version)
    task = GroupTask(database_url=url, version=version)
    build_groups(task, processes=os.cpu_count() or 1, told=lambda: None)


def _follow_redis(connection: psycopg.Connection, redis: Redis) -> None:
    from projections.redis_views import follow

    follow(connection, redis)
    connection.execute("set search_path = figures_v1")


def _steps(followed: Sequence[tuple[float, float]]) -> dict[str, dict[str, int]]:
    return {
        step: {"p50": round(statistics.median(times)), "p99": round(_p99(times))}
        for step, times in zip(("tables", "redis"), zip(*followed, strict=True), strict=True)
    }


def _follow_filings(connection: psycopg.Connection, redis: Redis, ciks: Iterable[int]) -> tuple[float, float]:
    """Milliseconds to the tables and on to Redis after companies state their newest year anew."""
    from projections.aggregates import refresh

    for cik in ciks:
        connection.execute(_SQL["file_anew"], {"cik": cik})
    to_tables = _seconds(lambda: refresh(connection, now=datetime.now(UTC)))
    to_redis = _seconds(lambda: _follow_redis(connection, redis))
    return to_tables * 1000, to_redis * 1000


def _play_day(connection: psycopg.Connection, redis: Redis, filers: Iterator[int]) -> Iterator[float]:
    """How many milliseconds after the moment a company files all of it can be read, for each filing of a peak day."""
    lot = random.Random(430)
    moments = sorted(lot.uniform(first, last) for first, last, filings in _PEAK_DAY for _ in range(filings))
    now = 0.0
    while moments:
        now = max(now, moments[0])
        due = [moment for moment in moments if moment <= now]
        moments = moments[len(due) :]
        now += sum(_follow_filings(connection, redis, islice(filers, len(due)))) / 1000
        yield from ((now - moment) * 1000 for moment in due)


def _wait_for_quiet(connection: psycopg.Connection, redis: Redis) -> None:
    """Until the servers have put away what was written, so that an answer is timed and not what came before it."""
    connection.execute("checkpoint")
    while True:
        saving: Any = redis.info("persistence")
        (vacuuming,) = connection.execute(_SQL["vacuuming"]).fetchone() or (0,)
        if not (vacuuming or saving["rdb_bgsave_in_progress"] or saving["aof_rewrite_in_progress"]):
            return
        time.sleep(1)


async def _ask_all(url: str) -> dict[str, dict[str, float]]:
    from django.conf import settings

    from config.problem_details import problem_for
    from queries.rest.app import create_app

    api = create_app(dataclasses.replace(settings.FACTFOLD, database_url=url), problem_for)
    await api.startup()
    # As the api does once it has started.
    gc.collect()
    gc.freeze()
    try:
        ciks = cycle(_companies_asked_about(url))

        def asking(address: str) -> Callable[[], Awaitable[bytes]]:
            return lambda: _ask(api, address.format(cik=next(ciks)))

        # Asked for the first time, ranks come from the tables, while the sets in Redis are filled beside it.
        asked = {"standing, first asked": await _times(asking(_QUESTIONS["standing"][0]), times=1, warm=0)}
        await api.sources.background.settled()
        for name, (address, _) in _QUESTIONS.items():
            asked[name] = await _times(asking(address))
            await api.sources.background.settled()
        days = iter(range(1, 29))

        def another_day() -> Awaitable[bytes]:
            address = "/v1/aggregates?metric=revenue&period=CY2023&group_by=sector&as_of=2025-06-"
            return _ask(api, f"{address}{next(days):02}")

        groups = "/v1/aggregates?metric=revenue&period=CY2023&group_by=sector"
        asked["as_of cold"] = await _times(another_day, times=20, warm=1)
        asked["as_of kept"] = await _times(partial(_ask, api, f"{groups}&as_of=2025-06-01"))
        asked["groups held ready"] = await _times(partial(_ask, api, groups))
        # Nothing becomes known later than this day: what is worked out must be what lies ready. The sectors made up
        # here are not those of the industries.
        groups = groups.replace("sector", "industry")
        answers = [json.loads(await _ask(api, f"{groups}{late}"))["data"] for late in ("", "&as_of=2090-01-01")]
        ready, as_of = ([{**row, "members": None} for row in rows] for rows in answers)
        if not ready or as_of != ready:
            raise FiguresWrong(f"{groups}: as of a late day something else than what lies ready")
        return asked
    finally:
        await api.shutdown()


def _companies_asked_about(url: str) -> list[int]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path = figures_v1")
        return [cik for (cik,) in connection.execute(_SQL["companies_asked_about"])]


async def _ask(api: "ReadApi", address: str) -> bytes:
    """The body of an answer, asked for without a network or a client: what is timed is the server's part."""
    path, _, query = address.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    sent: list[Mapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await api(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    if sent[0]["status"] != 200:
        raise FiguresWrong(f"{address}: {sent[0]['status']} {body[:300]!r}")
    return body


async def _times(ask: Callable[[], Awaitable[bytes]], *, times: int = 300, warm: int = 30) -> dict[str, float]:
    """A connection keeps a statement ready after it was asked for five times; so enough is asked before."""
    taken = []
    for _ in range(warm + times):
        begun = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - begun) * 1000)
    return {"p50_ms": round(statistics.median(taken[warm:]), 2), "p99_ms": round(_p99(taken[warm:]), 2)}


def _check(connection: psycopg.Connection) -> dict[str, int]:
    """Twenty groups by sorting their members."""
    connection.execute("set search_path = figures_v1")
    for metric, unit in (("revenue", "USD"), ("net_margin", "pure")):
        for period in ("CY2025", "CY2024Q3TTM"):
            for sector in _SECTORS:
                key = {"metric": metric, "period": period, "sector": sector, "unit": unit}
                values = [value for (value,) in connection.execute(_SQL["members"], key)]
                held = connection.execute(_SQL["held"], key).fetchone()
                expected = (
                    (len(values), sum(values), _percentile(values, 50), _percentile(values, 90)) if values else None
                )
                if held != expected:
                    raise FiguresWrong(f"{key}: {held} where sorting gives {expected}")
    row = connection.execute(_SQL["sizes"])
    return dict(zip([column.name for column in row.description or ()], row.fetchone() or (), strict=True))


def _percentile(ascending: Sequence[Decimal], percent: int) -> Decimal:
    rank, rest = divmod(percent * (len(ascending) - 1), 100)
    if not rest:
        return ascending[rank]
    low, high = ascending[rank], ascending[rank + 1]
    return low + (high - low) * rest / 100


def _tell(done: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {done}", file=sys.stderr, flush=True)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)] if len(times) > 1 else times[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
