"""
Screens of eight conditions over companies that never were, each condition drawn anew.

    .venv/bin/python -m benchmarks.screen quick     600 companies, 60 screens of each kind
    .venv/bin/python -m benchmarks.screen full      6,000 companies, 300 screens of each kind

Companies have every metric in USD that covers a span in each of 15 years, one company after the other as the
projector leaves them. Screens are asked of the query service, on the event loop the api runs on, one after the other,
and encoded: `kept` where columns may be found from screens before, `anew` where each is the first to be asked after all
cells have changed. Besides the time, the processor time of this process and its PostgreSQL backend is told: it depends
less on what else the machine does. The first screens of each kind are held against plain arithmetic.
"""

import argparse
import dataclasses
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import psycopg
import uvloop
from msgspec import UNSET
from redis import Redis

from benchmarks.databases import running_databases
from benchmarks.machine import Machine, cpu_with_backend
from queries.connections import COLUMN_MEMBERS, ReadSources
from queries.kept import Kept
from queries.redis_reader import EPOCH_KEY

MOST_P99_MS = 50
PERIOD = "CY2024"
FRESH_AT = datetime(2025, 11, 20, tzinfo=UTC)
CHECKED = 3
SECTORS = ("construction", "finance", "manufacturing", "mining", "retail-trade", "services", "wholesale-trade")
METRICS = (
    "revenue",
    "net_income",
    "gross_profit",
    "operating_income",
    "capex",
    "income_tax",
    "free_cash_flow",
    "ebitda",
)
FILL = """
insert into company (cik, name, name_as_filed, sic, sector, industry, country, size_class)
select n, 'Company ' || n, 'Company ' || n, lpad((100 + n * 7919 %% 400)::text, 4, '0'),
    (%(sectors)s::text[])[1 + n %% cardinality(%(sectors)s::text[])], lpad((100 + n * 7919 %% 400)::text, 4, '0'),
    (array['US', 'CN', 'GB', 'CA'])[1 + n %% 4], (array['accelerated', 'non_accelerated'])[1 + n %% 2]
from generate_series(1, %(companies)s) as n;
insert into metric_value (cik, metric, period_type, period, period_start, period_end, duration_days, calendar_offset,
    revision, known_from, value, unit, accession)
select n, metric, 'annual', 'CY' || year, make_date(year, 1, 1), make_date(year, 12, 31), 365, 0, 0,
    make_date(year + 1, 2, 15), round(hashtextextended(metric || year, n) %% 1000000000 * 1000.25, 2), 'USD',
    lpad(n::text, 10, '0') || '-' || year %% 100 || '-000001'
from generate_series(1, %(companies)s) as n, unnest(%(metrics)s::text[]) as metric, generate_series(2010, 2024) as year
where (n * 31 + year + length(metric)) %% 20 <> 0
order by n, metric, year;
insert into dirty_cell (cik) select cik from company;
"""


class FiguresWrong(Exception):
    """A screen was fast and wrong; its speed says nothing."""


class Value(msgspec.Struct, frozen=True):
    """What a company of a sector has for a metric."""

    cik: int
    sector: str
    value: Decimal


type Frames = dict[str, list[Value]]
type Condition = tuple[str, Callable[[Frames], set[int]]]
type Draw = Callable[[random.Random], Condition]


def number(drawn: random.Random) -> Condition:
    """A metric against a number."""
    metric, bound = drawn.choice(METRICS), drawn.choice((-900, -500, 100, 500)) * 10**9
    return f"{metric} > {bound}", lambda frames: {each.cik for each in frames[metric] if each.value > bound}


def other(drawn: random.Random) -> Condition:
    """A metric against a metric."""
    first, second = drawn.sample(METRICS, 2)

    def passing(frames: Frames) -> set[int]:
        held = {each.cik: each.value for each in frames[second]}
        return {each.cik for each in frames[first] if each.cik in held and each.value > held[each.cik]}

    return f"{first} > {second}", passing


def percentile(drawn: random.Random) -> Condition:
    """The standing in a sector against a number."""
    metric, bound = drawn.choice(METRICS), drawn.choice((5, 20, 50))

    def passing(frames: Frames) -> set[int]:
        found: set[int] = set()
        for sector in SECTORS:
            members = [each for each in frames[metric] if each.sector == sector]
            values = sorted(each.value for each in members)
            found |= {each.cik for each in members if 100 * bisect_right(values, each.value) >= bound * len(values)}
        return found

    return f"{metric}.percentile(sector) >= {bound}", passing


def sector(drawn: random.Random) -> Condition:
    """A group."""
    named = drawn.choice(SECTORS)
    return f"sector != {named}", lambda frames: {
        each.cik for v in frames.values() for each in v if each.sector != named
    }


KINDS: dict[str, tuple[Draw, ...]] = {
    "eight numbers": (number,) * 8,
    "of all kinds": (number, number, number, number, other, percentile, percentile, sector),
    "eight standings": (percentile,) * 8,
}


def main(arguments: Sequence[str]) -> int:
    """This will run the scenario, print what it measured as JSON, and give 0 when the target is met."""
    parser = argparse.ArgumentParser(prog="benchmarks.screen", description=__doc__.split("\n\n")[0])
    parser.add_argument("size", choices=("quick", "full"))
    given = parser.parse_args(arguments)
    companies, screens = (600, 60) if given.size == "quick" else (6_000, 300)
    with (
        tempfile.TemporaryDirectory(prefix="factfold-benchmark-") as name,
        running_databases(Path(name)) as databases,
    ):
        url = databases.migrated("screen")
        frames = _fill(url, companies=companies)
        Redis.from_url(databases.redis_url).set(EPOCH_KEY, "1")
        # As the api does with what was there before the first question.
        gc.collect()
        gc.freeze()
        machine = Machine()
        measured = uvloop.run(_measure(url, frames, screens=screens))
        told = {
            "companies": companies,
            "kinds": measured,
            "targets": {"p99_ms": MOST_P99_MS},
            "machine": machine.told(),
        }
    print(json.dumps(told, indent=1))
    return 0 if all(each["p99_ms"] <= MOST_P99_MS for kind in measured.values() for each in kind.values()) else 1


def _fill(url: str, *, companies: int) -> Frames:
    """This will write the companies and give what each has in the period that is screened."""
    from projections.aggregates import refresh
    from queries.metrics.catalogue import load_catalogue

    others = (each.key for each in load_catalogue().published() if each.over == "duration" and each.unit == "USD")
    metrics = list(dict.fromkeys([*METRICS, *others]))
    with psycopg.connect(url, autocommit=True) as connection, psycopg.ClientCursor(connection) as cursor:
        cursor.execute("set search_path = figures_v1")
        cursor.execute(FILL, {"companies": companies, "sectors": list(SECTORS), "metrics": metrics})
        cursor.execute("vacuum analyze")
        refresh(connection, now=FRESH_AT)
        cursor.execute("vacuum analyze")
        cursor.execute(
            "select metric, cik, sector, value from metric_value join company using (cik) where period = %s", [PERIOD]
        )
        frames: Frames = {metric: [] for metric in metrics}
        for metric, *value in cursor:
            frames[metric].append(Value(*value))
    return frames


async def _measure(url: str, frames: Frames, *, screens: int) -> dict[str, dict[str, dict[str, float]]]:
    from django.conf import settings

    import queries.tables

    # One session, whose processor time can be told.
    queries.tables.POOL_CONNECTIONS = 1
    sources = ReadSources(dataclasses.replace(settings.FACTFOLD, database_url=url))
    await sources.open()
    async with sources.snapshot() as snapshot:
        backend = (await snapshot.fetch(_Session, b"select pg_backend_pid() as pid", {}))[0].pid
    asker = _Asker(sources, frames, backend)
    measured = {kind: await asker.measure(conditions, screens=screens) for kind, conditions in KINDS.items()}
    await sources.close()
    return measured


class _Asker:
    def __init__(self, sources: ReadSources, frames: Frames, backend: int) -> None:
        self._sources = sources
        self._frames = frames
        self._backend = backend
        self._drawn = random.Random(2009)

    async def measure(self, kind: Sequence[Draw], *, screens: int) -> dict[str, dict[str, float]]:
        """This will ask screens with and without what was kept, turn by turn."""
        spent: dict[str, list[tuple[float, float]]] = {"kept": [], "anew": []}
        for turn in range(-CHECKED, screens):
            conditions = [draw(self._drawn) for draw in kind]
            for way, measured in spent.items():
                kept = self._sources.columns
                if way == "anew":
                    self._sources.columns = Kept(most=COLUMN_MEMBERS)
                measured.append(await self._ask(conditions, check=turn < 0))
                self._sources.columns = kept
        return {way: _told(measured[CHECKED:]) for way, measured in spent.items()}

    async def _ask(self, conditions: Sequence[Condition], *, check: bool) -> tuple[float, float]:
        from queries.rest.encoding import encode_json
        from queries.service.screen import screen_companies
        from queries.service.screen_query import ScreenQuery

        query = ScreenQuery(where=tuple(text for text, _ in conditions), limit=50)
        cpu, begun = cpu_with_backend(self._backend), time.perf_counter()
        result = await screen_companies(self._sources, query)
        encode_json(result, numbers="number")
        took = time.perf_counter() - begun, cpu_with_backend(self._backend) - cpu
        if check:
            told = result.meta.screen
            passing = [passing(self._frames) for _, passing in conditions]
            if told is UNSET or told.period != PERIOD or told.matching != len(set.intersection(*passing)):
                raise FiguresWrong(f"{query.where} were answered with {told}")
            if [each.passing for each in told.conditions] != [len(each) for each in passing]:
                raise FiguresWrong(f"{query.where} were answered with {told.conditions}")
        return took


def _told(spent: Sequence[tuple[float, float]]) -> dict[str, float]:
    waits = [wait for wait, _ in spent]
    return {
        "p50_ms": round(statistics.median(waits) * 1000, 1),
        "p99_ms": round(statistics.quantiles(waits, n=100)[98] * 1000, 1),
        "cpu_ms": round(statistics.fmean(cpu for _, cpu in spent) * 1000, 1),
    }


class _Session(msgspec.Struct, frozen=True):
    pid: int


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
