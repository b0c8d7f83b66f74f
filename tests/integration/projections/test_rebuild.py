"""A projection is written anew beside the live one and takes its place, whatever happens meanwhile."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
import pytest
from django.core.management import CommandError as CommandFailed
from django.core.management import call_command
from psycopg import sql
from redis import Redis

from commands.companies.change_tickers import ChangeTickers
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.rename_company import RenameCompany
from commands.dispatch import dispatch_many
from commands.errors import CommandError
from commands.event_log.append import NewEvent, append_events, lock_streams
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from commands.sources.sample import read_sample
from projections.catalog import PROJECTIONS
from projections.parking import EventUnfoldable, parked_streams
from projections.processes import APPLICATION_NAME
from projections.projection import live_version, versions
from projections.projector import catch_up
from projections.rebuild import Rebuild, RebuildRefused, Rebuilt, VersionsDiffer
from projections.shard_building import ShardIncomplete
from projections.sweeper import drain, lagging_shards, refresh_figures, utc_now
from projections.verify import verify
from tests.factories import duration, instant, register_company, report_filing
from tests.fixtures.proposals import commands_in
from tests.fixtures.read_api import asgi_client, running_read_api
from tests.fixtures.remembered import remembered
from tests.fixtures.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent.parent
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CIKS = range(101, 125)
"""Enough companies for every shard to have some."""


def dispatch_all(connection: psycopg.Connection, *commands: Command) -> None:
    outcomes = dispatch_many(connection, commands, now=NOW)
    assert not [outcome for outcome in outcomes if isinstance(outcome, CommandError)]


def annual_report(cik: int, year: int, *, value: int, number: int = 0) -> Command:
    return report_filing(
        cik=cik,
        accession=f"{cik:010d}-{year % 100:02d}-{number:06d}",
        filed_on=date(year + 1, 2, 15),
        facts=(
            duration("us-gaap:Revenues", f"{year}-01-01", f"{year}-12-31", str(value)),
            duration("us-gaap:NetIncomeLoss", f"{year}-01-01", f"{year}-12-31", str(value // 7)),
            duration("us-gaap:Revenues", f"{year - 1}-01-01", f"{year - 1}-12-31", str(value + 1)),
            instant("us-gaap:Assets", f"{year}-12-31", str(value * 3)),
        ),
    )


def write_history(connection: psycopg.Connection, redis: Redis) -> None:
    """Companies that restate, correct, withdraw, move and change names, none of them at the same time as itself."""
    steps: list[list[Command]] = [
        [register_company(cik=cik, sic="3571" if cik % 2 else "7372") for cik in CIKS],
        [annual_report(cik, 2022, value=cik * 10) for cik in CIKS],
        [annual_report(cik, 2023, value=cik * 11) for cik in CIKS],
        [annual_report(cik, 2023, value=cik * 12) for cik in CIKS if cik % 3 == 0],
        [ReclassifyCompany(cik=cik, sic="5411", country="US") for cik in CIKS if cik % 5 == 0],
        [RenameCompany(cik=cik, name=f"Renamed {cik}") for cik in CIKS if cik % 4 == 0],
        [
            WithdrawFiling(cik=cik, accession=f"{cik:010d}-22-000000", reason="in error", withdrawn_at=NOW)
            for cik in CIKS
            if cik % 7 == 0
        ],
        [ChangeTickers(cik=cik, tickers=(f"T{cik}",)) for cik in CIKS if cik % 6 == 0],
        [annual_report(cik, 2024, value=cik * 13, number=1) for cik in CIKS],
    ]

    def write() -> None:
        for step in steps:
            dispatch_all(connection, *step)
            drain(connection, redis)

    remembered(connection, redis, "a history to rebuild", write)


def poison(connection: psycopg.Connection, cik: int) -> None:
    stream = f"company-{cik}"
    with connection.transaction():
        heads = lock_streams(connection, {stream})
        event = NewEvent(stream=stream, type="CompanyRenamed", data=b'{"cik": %d, "name": 5}' % cik)
        append_events(connection, [event], heads=heads)


def tables(connection: psycopg.Connection, version: int) -> dict[str, list[str]]:
    """Every row of every table that the log decides, as text."""
    schema = f"figures_v{version}"
    names = connection.execute("select tablename from pg_tables where schemaname = %s", (schema,)).fetchall()
    return {
        name: [
            line
            for (line,) in connection.execute(
                sql.SQL("select t::text from {} t order by 1").format(sql.Identifier(schema, name))
            )
        ]
        for (name,) in names
        if name not in PROJECTIONS["figures"].derived
    }


def live_number(connection: psycopg.Connection) -> int:
    return live_version(connection, "figures").version


@pytest.fixture
def rebuild(connection: psycopg.Connection, database_url: str) -> Callable[..., Rebuild]:
    """Makes a rebuild of the test's database, in one process unless said otherwise."""

    def make(**named: Any) -> Rebuild:
        return Rebuild(database_url, projection="figures", clock=utc_now, **named)

    return make


class TestRebuild:
    @pytest.mark.slow
    def test_of_real_companies_equals_the_live_tables(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        commands = commands_in(read_sample([ROOT / "sample" / "companies.jsonl.gz"]))
        ciks = sorted({command.cik for command in commands if hasattr(command, "cik")})[:3]
        of_each = [[command for command in commands if getattr(command, "cik", 0) == cik] for cik in ciks]
        mixed = [command for together in zip_longest(*of_each) for command in together if command is not None]
        dispatch_all(connection, *mixed)
        drain(connection, redis)

        outcome = rebuild().run()
        refresh_figures(connection, redis)

        assert outcome == Rebuilt(version=2, replaced=1, differences=())
        assert tables(connection, 2) == tables(connection, 1)
        assert len(tables(connection, 2)["metric_value"]) > 1000
        verify(connection, redis)

    @pytest.mark.slow
    def test_gives_the_same_bytes_for_any_number_of_workers_and_any_batch_size(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        write_history(connection, redis)
        expected = tables(connection, 1)

        for processes, batch_events in [(1, 1), (1, 7), (1, 1000), (2, 7), (8, 1000)]:
            outcome = rebuild(processes=processes, batch_events=batch_events).run()
            assert tables(connection, outcome.version) == expected, (processes, batch_events)

    def test_makes_every_index_and_leaves_nothing_to_be_done(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        write_history(connection, redis)

        rebuild().run()

        indexes = {
            version: {
                definition.replace(f"figures_v{version}.", "")
                for (definition,) in connection.execute(
                    "select indexdef from pg_indexes where schemaname = %s", (f"figures_v{version}",)
                )
            }
            for version in (1, 2)
        }
        assert indexes[2] == indexes[1]
        assert connection.execute("select count(*) from figures_v2.dirty_cell").fetchone() == (0,)
        assert not lagging_shards(connection)
        fresh = [connection.execute(f"select position, fresh_at, parked from figures_v{n}.freshness") for n in (1, 2)]
        assert fresh[0].fetchone() == fresh[1].fetchone()

    def test_of_nothing_is_a_version_of_nothing(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        rebuild(processes=2).run()
        dispatch_all(connection, register_company(cik=101), annual_report(101, 2023, value=5))
        drain(connection, redis)

        assert connection.execute("select cik from figures_v2.company").fetchall() == [(101,)]
        verify(connection, redis)

    def test_while_commands_arrive_and_projectors_work(
        self,
        connection: psycopg.Connection,
        redis: Redis,
        rebuild: Callable[..., Rebuild],
        connect: Callable[[], psycopg.Connection],
    ) -> None:
        write_history(connection, redis)
        busy = connect()
        told: list[str] = []

        def tell(text: str) -> None:
            """At each step of the rebuild, more is written, and the live version moves on."""
            told.append(text)
            year = 2000 + len(told)
            dispatch_all(busy, *(annual_report(cik, year, value=cik) for cik in CIKS[:4]))
            dispatch_all(busy, register_company(cik=1000 + len(told)))
            drain(busy, redis)

        outcome = rebuild(tell=tell, batch_events=10).run()
        drain(connection, redis)

        assert outcome.version == 2
        assert len(told) >= 4
        assert connection.execute("select count(*) from figures_v2.company").fetchone() == (len(CIKS) + len(told),)
        verify(connection, redis)

    @pytest.mark.slow
    def test_beside_a_writer_and_two_projectors_that_never_rest(
        self,
        connection: psycopg.Connection,
        redis: Redis,
        rebuild: Callable[..., Rebuild],
        connect: Callable[[], psycopg.Connection],
    ) -> None:
        write_history(connection, redis)
        ended = threading.Event()
        writing, first, second = connect(), connect(), connect()

        def write() -> None:
            for value in itertools.count(1):
                if ended.wait(0.02):
                    return
                dispatch_all(writing, *(annual_report(cik, 2015 + value % 5, value=value) for cik in CIKS))

        def work(own: psycopg.Connection) -> None:
            while not ended.is_set():
                drain(own, redis)

        with ThreadPoolExecutor() as threads:
            running = [threads.submit(write), threads.submit(work, first), threads.submit(work, second)]
            try:
                outcome = rebuild(processes=2).run()
            finally:
                ended.set()
        for thread in running:
            thread.result()
        drain(connection, redis)

        assert outcome.version == 2
        verify(connection, redis)

    def test_equals_live_tables_in_which_a_figure_was_reached_in_another_way(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        year = ("2023-01-01", "2023-12-31")
        dispatch_all(connection, register_company(cik=103))
        for flow, spent in (("10.55", "0.05"), ("11.5", "1")):
            facts = (
                duration("us-gaap:NetCashProvidedByUsedInOperatingActivities", *year, flow),
                duration("us-gaap:PaymentsToAcquirePropertyPlantAndEquipment", *year, spent),
            )
            dispatch_all(connection, report_filing(cik=103, accession="0000000103-24-000001", facts=facts))
            drain(connection, redis)

        outcome = rebuild().run()

        assert outcome.differences == ()
        found = connection.execute(
            "select distinct value::text from figures_v2.metric_value where metric = 'free_cash_flow'"
        )
        assert found.fetchall() == [("10.5",)]

    def test_waits_for_a_metric_that_another_session_still_holds(
        self, connection: psycopg.Connection, redis: Redis, connect: Any, rebuild: Callable[..., Rebuild]
    ) -> None:
        dispatch_all(connection, register_company(cik=103), annual_report(103, 2023, value=5))
        drain(connection, redis)
        in_the_way, left_behind = connect(), connect()

        def tell(text: str) -> None:
            if text == "indexes and statistics":
                in_the_way.execute(
                    "begin; insert into figures_v2.aggregate_change values ('revenue', 'all', 'CY2023', 1)"
                )

        with ThreadPoolExecutor() as pool:
            rebuilding = pool.submit(rebuild(tell=tell).run)
            wait_until(lambda: waits_for_a_lock(connection) or rebuilding.done())
            left_behind.execute(
                "begin; select from projections.building_groups where metric = 'total_assets' for update"
            )
            in_the_way.rollback()
            wait_until(lambda: metrics_left(connection) == ["total_assets"] or rebuilding.done())
            wait_until(lambda: waits_for_a_lock(connection) or rebuilding.done())
            left_behind.rollback()
            outcome = rebuilding.result()

        assert outcome.differences == ()
        assert metrics_left(connection) == []

    def test_is_compared_with_the_live_tables(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        write_history(connection, redis)
        connection.execute(
            "update figures_v1.metric_value set value = value + 1 where cik = 107 and metric = 'revenue'"
        )

        with pytest.raises(VersionsDiffer, match=r"metric_value: \d+ rows only in the live .*\(107,revenue") as found:
            rebuild().run()

        assert [difference.table for difference in found.value.differences] == ["metric_value"]
        assert live_number(connection) == 1
        accepted = rebuild().run(accept_differences=True)
        refresh_figures(connection, redis)
        assert (accepted.version, accepted.differences) == (2, tuple(found.value.differences))
        verify(connection, redis)

    @pytest.mark.parametrize(
        ("damage", "table"),
        [
            ("delete from figures_v1.fact where cik = 103", "fact"),
            ("update figures_v1.filing set fact_count = 0 where cik = 103", "filing"),
            ("insert into figures_v1.company_link values (1, 2, '2020-01-01')", "company_link"),
            ("update figures_v1.group_aggregate set median = median + 0.0 where group_by = 'all'", "group_aggregate"),
            ("alter table figures_v1.filing add column colour text", "filing"),
        ],
    )
    def test_names_the_table_that_was_damaged(
        self,
        connection: psycopg.Connection,
        redis: Redis,
        rebuild: Callable[..., Rebuild],
        damage: str,
        table: str,
    ) -> None:
        dispatch_all(connection, register_company(cik=103), annual_report(103, 2023, value=5))
        drain(connection, redis)
        connection.execute(damage.encode())
        try:
            with pytest.raises(VersionsDiffer, match=f"^{table}: "):
                rebuild().run()
        finally:
            connection.execute("alter table figures_v1.filing drop column if exists colour")

        assert rebuild().abandon() == [2]
        assert [(found.version, found.state) for found in versions(connection, "figures")] == [(1, "live")]

    def test_misses_no_event_of_the_log_unnoticed(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        dispatch_all(connection, register_company(cik=103), annual_report(103, 2023, value=5))
        drain(connection, redis)
        connection.execute("delete from events.log where position = 2")

        with pytest.raises(ShardIncomplete, match="do not hold its 2 events"):
            rebuild().run()

        assert live_number(connection) == 1

    def test_refuses_to_be_run_twice_at_once(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild], monkeypatch: Any
    ) -> None:
        monkeypatch.setattr("projections.rebuild._ALONE_TIMEOUT", "50ms")
        refused: list[str] = []

        def tell(text: str) -> None:
            with pytest.raises(RebuildRefused, match="another rebuild of figures is at work") as found:
                rebuild().run()
            refused.append(str(found.value))

        rebuild(tell=tell).run()

        assert refused
        assert live_number(connection) == 2


class TestStrictness:
    @pytest.fixture(autouse=True)
    def _poisoned_history(self, connection: psycopg.Connection, redis: Redis) -> None:
        dispatch_all(connection, *(register_company(cik=cik) for cik in CIKS))
        poison(connection, 105)
        dispatch_all(connection, *(annual_report(cik, 2023, value=cik) for cik in CIKS))
        drain(connection, redis)

    @pytest.mark.slow
    @pytest.mark.parametrize("processes", [1, 2])
    def test_an_event_that_cannot_be_folded_stops_it(
        self, connection: psycopg.Connection, rebuild: Callable[..., Rebuild], processes: int
    ) -> None:
        with pytest.raises(EventUnfoldable, match="CompanyRenamed at position 25, version 2 of company-105"):
            rebuild(processes=processes).run()

        assert live_number(connection) == 1
        assert {row.version for row in parked_streams(connection)} == {1}

    def test_or_is_parked_where_that_is_asked_for(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        rebuild(park=True).run()
        refresh_figures(connection, redis)

        assert [(row.version, row.stream) for row in parked_streams(connection)] == [(2, "company-105")]
        assert connection.execute("select parked from figures_v2.freshness").fetchone() == (1,)
        verify(connection, redis)

    def test_says_when_the_live_version_has_parked_streams(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        connection.execute(
            """update events.event set data = '{"cik": 105, "name": "Mended"}' where type = 'CompanyRenamed'"""
        )

        with pytest.raises(VersionsDiffer, match="has 1 parked streams: unpark them first"):
            rebuild().run()


@pytest.mark.slow
class TestInterruption:
    @pytest.mark.parametrize(
        ("ending", "workers", "code"),
        [(signal.SIGKILL, 1, -9), (signal.SIGKILL, 2, -9), (signal.SIGINT, 2, 130)],
    )
    def test_the_same_command_goes_on_where_it_was(
        self,
        connection: psycopg.Connection,
        database_url: str,
        redis: Redis,
        ending: signal.Signals,
        workers: int,
        code: int,
    ) -> None:
        write_history(connection, redis)
        command = [sys.executable, "manage.py", "rebuild", "figures", f"--workers={workers}", "--batch-events=1"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stderr=subprocess.PIPE)

        with psycopg.connect(database_url) as in_the_way:
            wait_until(lambda: hold_last_shard(in_the_way))
            wait_until(lambda: folded(connection) > 5)
            process.send_signal(ending)
            process.communicate()
            in_the_way.rollback()
        wait_until(lambda: not at_work(connection))
        left = folded(connection)
        call_command("rebuild", "figures", "--workers=1")

        assert process.returncode == code
        assert 5 < left < total(connection)
        assert live_number(connection) == 2
        assert tables(connection, 2) == tables(connection, 1)
        verify(connection, redis)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_also_among_the_groups(
        self, connection: psycopg.Connection, database_url: str, redis: Redis, workers: int
    ) -> None:
        write_history(connection, redis)
        command = [sys.executable, "manage.py", "rebuild", "figures", f"--workers={workers}", "--batch-events=1"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stderr=subprocess.PIPE)

        with psycopg.connect(database_url) as in_the_way:
            wait_until(lambda: folded(connection) > 5)
            in_the_way.execute("insert into figures_v2.aggregate_change values ('total_assets', 'all', 'CY2023Q4I', 1)")
            wait_until(lambda: waits_for_a_lock(connection))
            wait_until(lambda: "revenue" not in metrics_left(connection))
            process.kill()
            process.communicate()
            end_waiting(connection)
            in_the_way.rollback()
        wait_until(lambda: not at_work(connection))
        left = metrics_left(connection)
        call_command("rebuild", "figures", "--workers=1")

        assert "total_assets" in left
        assert live_number(connection) == 2
        assert tables(connection, 2) == tables(connection, 1)
        verify(connection, redis)


def metrics_left(connection: psycopg.Connection) -> list[str]:
    """The metrics of which a version that is being built has no groups yet."""
    query = "select metric from projections.building_groups where not done order by metric"
    return [metric for (metric,) in connection.execute(query)]


def waits_for_a_lock(connection: psycopg.Connection) -> bool:
    query = "select from pg_stat_activity where application_name = %s and wait_event_type = 'Lock'"
    return connection.execute(query, (APPLICATION_NAME,)).fetchone() is not None


def end_waiting(connection: psycopg.Connection) -> None:
    """Takes from whoever waits for a lock its session: its process may not know yet that the one above it has gone."""
    connection.execute(
        """
        select pg_terminate_backend(pid, 5000) from pg_stat_activity
        where application_name = %s and wait_event_type = 'Lock'
        """,
        (APPLICATION_NAME,),
    )


def hold_last_shard(in_the_way: psycopg.Connection) -> bool:
    """Whether there was a shard to be folded last, which then waits until the transaction ends."""
    last = "select from projections.building where not done order by to_seq, shard desc limit 1 for update"
    if in_the_way.execute(last).fetchone() is not None:
        return True
    in_the_way.rollback()
    return False


def folded(connection: psycopg.Connection) -> int:
    (count,) = connection.execute("select coalesce(sum(folded), 0)::int from projections.building").fetchone() or (0,)
    return int(count)


def total(connection: psycopg.Connection) -> int:
    (count,) = connection.execute("select count(*) from events.log").fetchone() or (0,)
    return int(count)


def at_work(connection: psycopg.Connection) -> int:
    """How many connections of a rebuild the server has."""
    query = "select count(*) from pg_stat_activity where application_name = %s"
    (count,) = connection.execute(query, (APPLICATION_NAME,)).fetchone() or (0,)
    return int(count)


@pytest.mark.slow
class TestReaders:
    @pytest.fixture
    def _two_truths(self, connection: psycopg.Connection, redis: Redis) -> None:
        """Live tables whose every value is one more than the log says, also in the aggregates and in Redis."""
        write_history(connection, redis)
        connection.execute("update figures_v1.metric_value set value = value + 1 where metric = 'revenue'")
        connection.execute("insert into figures_v1.dirty_cell (cik) select cik from figures_v1.company")
        refresh_figures(connection, redis)

    @pytest.mark.usefixtures("_two_truths")
    async def test_see_all_of_one_version_or_all_of_the_other(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        questions = {
            "series": "/v1/series?companies=101,102,103&metrics=revenue&period_type=annual&last=3",
            "aggregates": "/v1/aggregates?metric=revenue&group_by=sector&period=CY2024",
        }
        seen: dict[str, list[Any]] = {name: [] for name in questions}
        positions: list[int] = []
        done = anyio.Event()

        def work() -> None:
            rebuild(batch_events=5).run(accept_differences=True)
            refresh_figures(connection, redis)

        async with running_read_api() as app, asgi_client(app) as client:

            async def read(name: str, question: str) -> None:
                last_round = False
                while True:
                    answer = await client.get(question)
                    assert answer.status_code == 200, answer.text
                    positions.append(answer.json()["meta"]["position"])
                    if not seen[name] or seen[name][-1] != answer.json()["data"]:
                        seen[name].append(answer.json()["data"])
                    if last_round:
                        return
                    last_round = done.is_set()

            async with anyio.create_task_group() as group:
                for name, question in questions.items():
                    group.start_soon(read, name, question)
                await anyio.to_thread.run_sync(work)
                done.set()

        assert {name: len(answers) for name, answers in seen.items()} == {"series": 2, "aggregates": 2}
        for before, after in seen.values():
            assert [row_value(row) - row_value(again) for row, again in zip(before, after, strict=True)] == [1] * len(
                before
            )
        assert set(positions) == {total(connection)}
        verify(connection, redis)

    @pytest.mark.usefixtures("_two_truths")
    def test_go_back_to_what_was_live_before(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        rebuild().run(accept_differences=True)
        refresh_figures(connection, redis)
        dispatch_all(connection, annual_report(124, 2025, value=1_000_000), register_company(cik=500))
        drain(connection, redis)

        back = rebuild().roll_back()
        refresh_figures(connection, redis)

        assert (back.version, back.replaced) == (1, 2)
        assert connection.execute("select count(*) from figures_v1.company").fetchone() == (len(CIKS) + 1,)
        (position, seq) = connection.execute("select position, seq from figures_v1.freshness").fetchone() or (0, 0)
        assert position == total(connection)
        epoch = int(redis.get("{ff}:epoch") or 0)
        assert redis.get(f"{{ff}}:{epoch}:seq") == b"%d" % seq
        forth = rebuild().roll_back()
        refresh_figures(connection, redis)
        assert (forth.version, forth.replaced) == (2, 1)
        verify(connection, redis)
        rebuild().roll_back()
        assert rebuild().drop_retired() == [2]
        with pytest.raises(RebuildRefused, match="no version is kept"):
            rebuild().roll_back()

    def test_who_asked_which_version_is_live_can_read_it_until_his_transaction_ends(
        self, connection: psycopg.Connection, redis: Redis, connect: Any, rebuild: Callable[..., Rebuild]
    ) -> None:
        write_history(connection, redis)
        rebuild().run()
        reader = connect()
        waiting = threading.Event()
        with ThreadPoolExecutor() as pool, reader.transaction():
            found = live_version(reader, "figures")
            rebuild().roll_back()
            dropping = pool.submit(rebuild(tell=lambda text: waiting.set()).drop_retired)
            wait_until(lambda: waiting.is_set() or dropping.done())

            found.enter(reader)
            (companies,) = reader.execute("select count(*) from company").fetchone() or (0,)
        dropped = dropping.result()

        assert (found.version, companies, dropped) == (2, len(CIKS), [2])
        assert connection.execute("select to_regnamespace('figures_v2')").fetchone() == (None,)

    def test_projectors_at_work_fold_the_new_version_without_a_restart(
        self, connection: psycopg.Connection, redis: Redis, rebuild: Callable[..., Rebuild]
    ) -> None:
        write_history(connection, redis)
        rebuild().run()
        dispatch_all(connection, *(annual_report(cik, 2025, value=3) for cik in CIKS))

        drain(connection, redis)

        assert (
            connection.execute("select count(*) from figures_v2.filing").fetchone()
            != connection.execute("select count(*) from figures_v1.filing").fetchone()
        )
        assert catch_up(connection, projection="figures", shard=0).events == 0
        verify(connection, redis)


class TestCommand:
    @pytest.mark.slow
    def test_tells_what_it_did(
        self, connection: psycopg.Connection, redis: Redis, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write_history(connection, redis)

        call_command("rebuild", "figures")
        call_command("rebuild", "figures", "--rollback")
        connection.execute("update figures_v1.company set country = 'FR' where cik = 101")
        with pytest.raises(CommandFailed, match=r"^company: 1 rows only in the live version, first \(101,"):
            call_command("rebuild", "figures", "--workers=1")
        call_command("rebuild", "figures", "--abandon")
        call_command("rebuild", "figures", "--drop-retired")

        told = capsys.readouterr()
        assert told.out.splitlines() == [
            "version 2 is live; version 1 is kept for --rollback",
            "version 1 is live; version 2 is kept for --rollback",
            "dropped version 3",
            "dropped version 2",
        ]
        assert "building figures_v2 beside figures_v1" in told.err
        assert f"of {total(connection)} events" in told.err


def row_value(row: dict[str, Any]) -> float:
    return float(row.get("value") or row["median"])
