"""What an operator is told: whether the installation is ready, and its measures."""

import asyncio
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from asgiref.sync import SyncToAsync
from django.conf import settings
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from commands.dispatch import dispatch_many
from commands.doorbells.depth import QueueDepth
from commands.doorbells.memory import MemoryDoorbell
from commands.event_log.sequence import _LOCK, sequence_pending
from commands.publishing import DoorbellUnreachable, publish_pending
from config.asgi import FrontDoor, application
from config.embedded.bound_process import free_port
from config.measures import exposition
from config.operations import Operations
from config.worker_metrics import Lookout, listening
from projections.aggregates import _REFRESH_LOCK
from projections.projector import catch_up
from projections.redis_views import _LOCK as _FILLING
from projections.sweeper import MANY_WAITING, drain, lagging_shards, sweep
from tests.fixtures.filings import NOW, RegisterCompanyFactory, ReportFilingFactory
from tests.fixtures.running_installation import ROOT
from tests.fixtures.waiting import wait_until

_HELD = (
    "select 1 from pg_locks where locktype = 'advisory' and granted and (classid::bigint << 32) | objid::bigint = %s"
)
NOTHING = {"visible": 0, "in_flight": 0, "delayed": 0}


@pytest.fixture
async def front_door(connection: psycopg.Connection, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    door = FrontDoor(settings.FACTFOLD, django=application._django)
    await door._read.startup()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url="http://127.0.0.1") as client:
        yield client
    await door._read.shutdown()
    await door._operations.close()


async def readiness(**changed: Any) -> tuple[int, dict[str, Any]]:
    """What an api process with changed settings says that has not looked before."""
    operations = Operations(dataclasses.replace(settings.FACTFOLD, **changed))
    try:
        answer = await operations.answer("/readyz", request_id="test")
    finally:
        await operations.close()
    return answer.status, orjson.loads(answer.body)


def codes(told: dict[str, Any]) -> list[str]:
    return [reason["reason"] for reason in told["reasons"]]


def report(connection: psycopg.Connection) -> None:
    company = RegisterCompanyFactory.build()
    dispatch_many(connection, [company, ReportFilingFactory.build(cik=company.cik)], now=NOW)


def catch_all_up(connection: psycopg.Connection) -> None:
    for shard in lagging_shards(connection):
        catch_up(connection, projection="figures", shard=shard)


@contextmanager
def at_work(session: psycopg.Connection, lock: int) -> Iterator[None]:
    """Has a session hold a lock during the block while it is busy with a statement of its own."""
    with ThreadPoolExecutor() as elsewhere:
        working = elsewhere.submit(session.execute, "select pg_advisory_xact_lock(%s), pg_sleep(60)", [lock])
        try:
            with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as looking:
                wait_until(lambda: looking.execute(_HELD, [lock]).fetchone())
            yield
        finally:
            session.cancel()
        assert isinstance(working.exception(), psycopg.errors.QueryCanceled)


def first_unfolded(connection: psycopg.Connection) -> tuple[str, float]:
    """The shard of the first event, which nobody has folded, and how long it has had its position."""
    row = connection.execute(
        "select shard, extract(epoch from clock_timestamp() - sequenced_at)::float8 from events.log where position = 1"
    ).fetchone()
    assert row
    return str(row[0]), row[1]


def measures(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
    (found,) = [sample.value for sample in samples if labels.items() <= sample.labels.items()]
    return found


class TestReadiness:
    async def test_is_told_with_position_and_redis(self, connection: psycopg.Connection, redis: Redis) -> None:
        report(connection)
        drain(connection, redis)

        status, told = await readiness()

        assert (status, told) == (
            200,
            {"status": "ready", "position": 2, "head": 2, "pending": 0, "redis": "live"},
        )

    async def test_is_denied_where_the_database_is_out_of_reach(self, redis: Redis) -> None:
        status, told = await readiness(database_url="postgresql://nobody@127.0.0.1:1/none")

        assert (status, told["code"], codes(told)) == (503, "not_ready", ["database_unreachable"])

    async def test_is_denied_where_no_migration_was_run(self, database_url: str, redis: Redis) -> None:
        status, told = await readiness(database_url=f"{database_url.rpartition('/')[0]}/postgres")

        assert (status, codes(told)) == (503, ["migrations_missing"])

    async def test_is_denied_where_one_migration_was_not_run(self, connection: psycopg.Connection) -> None:
        row = ("projections", "0003_batch_totals")
        connection.execute("delete from django_migrations where (app, name) = (%s, %s)", row)
        try:
            status, told = await readiness()
        finally:
            connection.execute("insert into django_migrations (app, name, applied) values (%s, %s, now())", row)

        assert (status, codes(told)) == (503, ["migrations_missing"])
        assert "projections.0003_batch_totals" in told["reasons"][0]["message"]

    async def test_survives_a_redis_that_is_away(self, connection: psycopg.Connection) -> None:
        status, told = await readiness(redis_url="redis://127.0.0.1:1/0")

        assert (status, told["redis"]) == (200, "away")

    async def test_is_denied_while_the_sequencer_cannot_work_and_returns(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection], redis: Redis
    ) -> None:
        other = connect()
        with other.transaction():
            other.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
            report(connection)
            assert sequence_pending(connection) == 0

            within_limit = await readiness(stall_seconds=30)
            beyond = await readiness(stall_seconds=0)
        drain(connection, redis)
        after = await readiness(stall_seconds=0)

        assert within_limit[0] == 200
        assert (beyond[0], codes(beyond[1])) == (503, ["sequencer_stalled"])
        assert after[0] == 200

    async def test_is_denied_while_nobody_folds_and_returns(self, connection: psycopg.Connection, redis: Redis) -> None:
        report(connection)
        sequence_pending(connection)

        standing = await readiness(stall_seconds=0)
        drain(connection, redis)
        after = await readiness(stall_seconds=0)

        assert (standing[0], codes(standing[1])) == (503, ["projection_stalled"])
        assert "with 2 events to fold" in standing[1]["reasons"][0]["message"]
        assert after[0] == 200

    async def test_is_denied_while_too_many_streams_are_parked(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report(connection)
        drain(connection, redis)
        connection.execute(
            "insert into projections.parked (name, version, position, stream, error) "
            "values ('figures', 1, 1, 'company-1', 'broken'), ('figures', 1, 2, 'company-2', 'broken')"
        )

        within_limit = await readiness(max_parked_streams=3)
        beyond = await readiness(max_parked_streams=2)

        assert within_limit[0] == 200
        assert (beyond[0], codes(beyond[1])) == (503, ["projection_paused"])

    async def test_is_denied_while_what_is_folded_cannot_be_read_and_returns(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection], redis: Redis
    ) -> None:
        report(connection)
        sequence_pending(connection)
        other = connect()
        with other.transaction():
            other.execute("select pg_advisory_xact_lock(%s)", [_REFRESH_LOCK + (1 << 40)])
            sweep(connection, redis)

            within_limit = await readiness(stall_seconds=30)
            beyond = await readiness(stall_seconds=0)
        drain(connection, redis)
        after = await readiness(stall_seconds=0)

        assert within_limit[0] == 200
        assert (beyond[0], codes(beyond[1])) == (503, ["figures_stalled"])
        assert "2 events are folded and cannot be read" in beyond[1]["reasons"][0]["message"]
        assert after[0] == 200

    async def test_is_not_denied_while_somebody_works_the_figures_out(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection], redis: Redis
    ) -> None:
        report(connection)
        sequence_pending(connection)
        with at_work(connect(), _REFRESH_LOCK + (1 << 40)):
            sweep(connection, redis)

            status, _ = await readiness(stall_seconds=0)

        assert status == 200

    async def test_is_not_denied_while_somebody_fills_redis(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection], redis: Redis
    ) -> None:
        report(connection)
        drain(connection, redis)
        redis.flushall()

        standing = await readiness(stall_seconds=0)
        with at_work(connect(), _FILLING):
            filling = await readiness(stall_seconds=0)

        assert (standing[0], codes(standing[1])) == (503, ["redis_stalled"])
        assert (filling[0], filling[1]["redis"]) == (200, "empty")

    async def test_is_not_denied_while_figures_wait_for_the_end_of_a_load(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report(connection)
        sequence_pending(connection)
        catch_all_up(connection)
        dispatch_many(connection, RegisterCompanyFactory.build_batch(MANY_WAITING), now=NOW)

        _, told = await readiness(stall_seconds=0)

        assert codes(told) == ["sequencer_stalled"]

    async def test_is_denied_while_redis_refuses_the_figures_and_returns(
        self, connection: psycopg.Connection, redis: Redis, caplog: pytest.LogCaptureFixture
    ) -> None:
        report(connection)
        drain(connection, redis)
        redis.config_set("maxmemory", 1)
        try:
            report(connection)
            drain(connection, redis)

            within_limit = await readiness(stall_seconds=30)
            beyond = await readiness(stall_seconds=0)
        finally:
            redis.config_set("maxmemory", 0)
        drain(connection, redis)
        after = await readiness(stall_seconds=0)

        assert (within_limit[0], within_limit[1]["redis"]) == (200, "live")
        assert (beyond[0], codes(beyond[1])) == (503, ["redis_stalled"])
        assert "Redis stands at refresh 1, the tables at 2" in beyond[1]["reasons"][0]["message"]
        assert "Redis refuses the figures, trying again: command not allowed when used memory" in caplog.text
        assert after[0] == 200

    async def test_is_not_denied_for_a_transaction_that_was_open_for_long(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report(connection)
        drain(connection, redis)
        report(connection)
        connection.execute("update events.event set recorded_at = recorded_at - interval '1 hour' where id > 2")

        status, _ = await readiness(stall_seconds=30)

        assert status == 200


class TestMeasures:
    async def test_tell_of_log_projections_doorbells_and_redis(
        self, front_door: httpx.AsyncClient, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report(connection)
        drain(connection, redis)
        publish_pending(connection, MemoryDoorbell())
        report(connection)

        told = measures((await front_door.get("/prometheus")).text)

        assert value(told, "factfold_database_up") == 1
        assert value(told, "factfold_log_head_position") == 2
        assert value(told, "factfold_pending_events") == 2
        assert value(told, "factfold_figures_position") == 2
        assert value(told, "factfold_redis_behind") == 0
        assert value(told, "factfold_parked_streams", projection="figures") == 0
        lags = told["factfold_projection_lag_events"].samples
        assert [sample.value for sample in lags] == [0] * settings.FACTFOLD.shards
        folded = [sample.value for sample in told["factfold_projection_events"].samples]
        assert sum(folded) == 2
        assert len(told["factfold_doorbell_age_seconds"].samples) == 1

    async def test_tell_the_true_lag_of_a_shard_and_of_the_figures(
        self, front_door: httpx.AsyncClient, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report(connection)
        sequence_pending(connection)
        connection.execute("update events.log set sequenced_at = sequenced_at - interval '1 hour' where position = 1")
        shard, at_least = first_unfolded(connection)

        told = measures((await front_door.get("/prometheus")).text)

        _, at_most = first_unfolded(connection)
        assert value(told, "factfold_projection_lag_events", shard=shard) == 2
        assert 3600 < at_least <= value(told, "factfold_projection_lag_seconds", shard=shard) <= at_most
        assert value(told, "factfold_figures_unread_events") == 0

    async def test_tell_of_events_that_are_folded_and_cannot_be_read(
        self, front_door: httpx.AsyncClient, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report(connection)
        drain(connection, redis)
        report(connection)
        sequence_pending(connection)
        catch_all_up(connection)

        told = measures((await front_door.get("/prometheus")).text)

        assert value(told, "factfold_figures_position") == 2
        assert value(told, "factfold_figures_unread_events") == 2
        assert all(sample.value == 0 for sample in told["factfold_projection_lag_events"].samples)

    async def test_count_requests_by_route_and_status(self, front_door: httpx.AsyncClient) -> None:
        for path in ("/v1/status", "/v1/companies/NOBODY", "/v1/companies/SOMEBODY", "/nowhere", "/v1/commands/x"):
            await front_door.get(path)

        told = measures((await front_door.get("/prometheus")).text)

        def counted(route: str, status: str) -> float:
            return value(told, "factfold_http_requests_total", route=route, status=status, method="GET")

        assert counted("/v1/status", "200") >= 1
        assert counted("/v1/companies/{company}", "404") >= 2
        assert counted("unknown", "404") >= 1
        assert counted("/v1/commands/{id}", "404") >= 1
        assert value(told, "factfold_http_request_seconds_count", route="/v1/status") == 1
        assert value(told, "factfold_http_request_seconds_bucket", route="/v1/status", le="+Inf") == 1

    async def test_count_commands_by_name_and_outcome(self, front_door: httpx.AsyncClient) -> None:
        before = measures((await front_door.get("/prometheus")).text)
        command = {"cik": 99, "name": "Ninety-Nine Inc."}
        await front_door.post("/v1/commands/RegisterCompany", json=command)
        await front_door.post("/v1/commands/RenameCompany", json={"cik": 98, "name": "Nobody"})
        await front_door.post("/v1/commands", json=[{"command": "RenameCompany", **command}])

        after = measures((await front_door.get("/prometheus")).text)

        def more(command: str, outcome: str) -> float:
            counts = []
            for told in (before, after):
                try:
                    counts.append(value(told, "factfold_commands_total", command=command, outcome=outcome))
                except ValueError:
                    counts.append(0)
            return counts[1] - counts[0]

        assert more("RegisterCompany", "accepted") == 1
        assert more("RenameCompany", "unknown_company") == 1
        assert more("RenameCompany", "unchanged") == 1

    async def test_are_told_without_a_database(self) -> None:
        nowhere = dataclasses.replace(
            settings.FACTFOLD,
            database_url="postgresql://nobody@127.0.0.1:1/none",
            redis_url="redis://127.0.0.1:1/0",
        )
        operations = Operations(nowhere)

        answer = await operations.answer("/prometheus", request_id="test")
        await operations.close()

        told = measures(answer.body.decode())
        assert value(told, "factfold_database_up") == 0
        assert value(told, "factfold_redis_up") == 0

    async def test_and_readiness_use_no_thread(
        self, front_door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hops: list[str] = []

        async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            hops.append("sync_to_async")

        def counted_too(self: Any, *args: Any, **kwargs: Any) -> Any:
            hops.append("run_in_executor")

        monkeypatch.setattr(SyncToAsync, "__call__", counted)
        monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", counted_too)

        statuses = [(await front_door.get(path)).status_code for path in ("/prometheus", "/readyz")]

        assert statuses == [200, 200]
        assert hops == []

    async def test_are_looked_for_once_a_second_however_many_ask(self, front_door: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*(front_door.get("/readyz") for _ in range(20)))

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1


class TestProcessesOfOneAddress:
    @pytest.mark.slow
    def test_each_tell_what_all_have_counted(
        self, connection: psycopg.Connection, redis: Redis, database_url: str, redis_url: str
    ) -> None:
        port = free_port()
        environ = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "FACTFOLD_ANONYMOUS": "true"}
        command = [sys.executable, "-m", "config.serve", "--port", str(port), "--workers", "2"]
        # A connection for each request: any process may get it.
        limits = httpx.Limits(max_keepalive_connections=0)
        address = f"http://127.0.0.1:{port}"
        with (
            subprocess.Popen(command, cwd=ROOT, env=environ) as served,
            httpx.Client(base_url=address, trust_env=False, limits=limits) as client,
        ):
            try:
                wait_until(lambda: answers(client), patience_seconds=60)
                before = told_of_livez(client)
                for _ in range(30):
                    assert answers(client)

                told = [told_of_livez(client) - before for _ in range(12)]
            finally:
                served.terminate()

        assert told == [30] * 12


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").is_success
    except httpx.TransportError:
        return False


def told_of_livez(client: httpx.Client) -> float:
    told = measures(client.get("/prometheus").text)
    return value(told, "factfold_http_requests_total", route="/livez", status="200")


class TestTheBoard:
    async def test_shows_only_what_is_told(
        self, front_door: httpx.AsyncClient, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report(connection)
        drain(connection, redis)
        await front_door.post("/v1/commands/RegisterCompany", json={"cik": 99, "name": "Ninety-Nine Inc."})
        lookout = Lookout(settings.FACTFOLD, queue_depths=lambda: [QueueDepth(queue="bells", **NOTHING)])
        worker = exposition(lookout.look()).decode()
        lookout.close()
        api = (await front_door.get("/prometheus")).text

        told = {sample.name for family in measures(worker).values() for sample in family.samples} | {
            sample.name for family in measures(api).values() for sample in family.samples
        }
        board = orjson.loads(
            (Path(__file__).parent.parent.parent / "deploy" / "grafana" / "operations.json").read_bytes()
        )
        shown = {
            name
            for panel in board["panels"]
            for target in panel["targets"]
            for name in re.findall(r"factfold_[a-z_]+", target["expr"])
        }
        assert shown
        assert shown - told == set()


class TestAWorkersListener:
    def test_shows_the_same_measures_and_the_queue(self, connection: psycopg.Connection, redis: Redis) -> None:
        report(connection)
        drain(connection, redis)
        depths = [QueueDepth(queue="dead_letters", visible=3, in_flight=0, delayed=0)]

        lookout = Lookout(settings.FACTFOLD, queue_depths=lambda: depths)
        with listening(lookout, host="127.0.0.1", port=0) as port:
            told = measures(httpx.get(f"http://127.0.0.1:{port}/prometheus", trust_env=False).text)
            alive = httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False)

        assert alive.status_code == 200
        assert value(told, "factfold_log_head_position") == 2
        assert value(told, "factfold_queue_messages", queue="dead_letters", state="visible") == 3

    def test_goes_on_without_queue_and_database(self) -> None:
        def unreachable() -> list[QueueDepth]:
            raise DoorbellUnreachable("nobody is in")

        nowhere = dataclasses.replace(settings.FACTFOLD, database_url="postgresql://nobody@127.0.0.1:1/none")
        lookout = Lookout(nowhere, queue_depths=unreachable)
        with listening(lookout, host="127.0.0.1", port=0) as port:
            told = measures(httpx.get(f"http://127.0.0.1:{port}/prometheus", trust_env=False).text)

        assert value(told, "factfold_database_up") == 0
