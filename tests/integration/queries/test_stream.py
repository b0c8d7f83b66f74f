"""Changes pushed to those who listen."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from commands.companies.change_tickers import ChangeTickers
from queries.connections import HeldSources
from queries.read_models.change import ChangeRow
from queries.rest.app import ReadApi
from queries.rest.stream import ChangeStream, StreamLimits
from queries.service import change_follower
from queries.service.change_follower import ChangeFollower
from queries.service.change_page import ChangePage, changes_after
from queries.service.change_place import Place
from queries.service.change_query import EVERYTHING
from tests.fixtures.listening import Listening, read_event
from tests.fixtures.real_filings import report
from tests.fixtures.restating import ACME, FIRST, RESTATEMENT, SECOND, acme_filing, report_first


@pytest.fixture
def acme(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """A database with two companies, of which one has reported its revenue of 2023."""
    return report_first(connection, redis)


def asgi_client(app: ReadApi) -> httpx.AsyncClient:
    # Reads Django's settings, which stand only after pytest has been configured.
    from tests.fixtures import read_api

    return read_api.asgi_client(app)


@asynccontextmanager
async def api(**limits: Any) -> AsyncIterator[ReadApi]:
    from django.conf import settings as django_settings

    from config.problem_details import problem_for
    from queries.rest.app import create_app

    app = create_app(django_settings.FACTFOLD, problem_for, stream_limits=StreamLimits(**limits))
    await app.startup()
    yield app
    await app.shutdown()


def renamed(connection: psycopg.Connection, redis: Redis, ticker: str) -> None:
    report(connection, redis, ChangeTickers(cik=ACME, tickers=(ticker,)))


def tickers(listening: Listening) -> list[str]:
    return [row["now"] for row in listening.rows if row["field"] == "tickers"]


class TestStream:
    async def test_tells_everybody_what_changed_from_one_reading(
        self, acme: psycopg.Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read: list[Any] = []

        async def counted(*args: Any, **named: Any) -> Any:
            read.append(args)
            return await changes_after(*args, **named)

        monkeypatch.setattr(change_follower, "changes_after", counted)
        async with (
            api() as app,
            Listening(app) as first,
            Listening(app) as second,
            Listening(app, "companies=102") as other,
        ):
            for listening in (first, second, other):
                await listening.greeted()
            await asyncio.sleep(3 * change_follower.FOLLOW_SECONDS)
            read.clear()

            report(acme, redis, RESTATEMENT)
            await first.until(lambda first: first.rows)
            await second.until(lambda second: second.rows)

            assert len(read) == 1
            assert first.events == second.events
            assert other.rows == []
        restated = next(row for row in first.rows if row["kind"] == "figure_restated" and row["period"] == "CY2023")
        assert (restated["old_value"], restated["value"], restated["old_accession"]) == (1000, 900, FIRST)
        assert (first.events[0].id, first.events[0].data["position"]) == ("4", 4)

    async def test_begins_behind_a_position_with_what_the_list_has(
        self, acme: psycopg.Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(change_follower, "PAGE_CHANGES", 7)
        report(acme, redis, RESTATEMENT)
        async with api() as app, Listening(app, "since_position=0&numbers=text") as listening:
            async with asgi_client(app) as client:
                listed = (await client.get("/v1/changes?since_position=0&limit=1000&numbers=text")).json()

            await listening.until(lambda listening: listening.last_id == "4")

        assert listed["next_cursor"] is None
        assert listening.rows == listed["data"]

    async def test_moves_the_place_of_who_is_told_nothing(self, acme: psycopg.Connection, redis: Redis) -> None:
        async with api(keepalive_seconds=0.05) as app, Listening(app, "kinds=company_merged") as listening:
            await listening.greeted()
            renamed(acme, redis, "APEX")

            await listening.until(lambda listening: listening.last_id == "4")

        assert listening.events == []
        assert ": keepalive\n" in listening.body.decode()

    @pytest.mark.parametrize(
        ("query", "last_event_id", "status"),
        [
            ("since_position=99", None, 503),
            ("", "99", 503),
            ("", "nonsense", 400),
            ("", "3/1/1/revenue/2023-13-31/365/annual", 400),
            ("kinds=nonsense", None, 400),
            ("companies=NOBODY", None, 404),
            ("limit=3", None, 400),
        ],
    )
    async def test_is_refused_like_any_question(
        self, acme: psycopg.Connection, redis: Redis, query: str, last_event_id: str | None, status: int
    ) -> None:
        async with api() as app, Listening(app, query, last_event_id=last_event_id) as listening:
            await listening.until(lambda listening: listening.ended)

        assert listening.status == status

    async def test_is_for_so_many_at_a_time(self, acme: psycopg.Connection, redis: Redis) -> None:
        async with api(listeners=1) as app:
            async with Listening(app) as first:
                await first.greeted()
                async with Listening(app) as refused:
                    await refused.until(lambda refused: refused.ended)
            async with Listening(app) as second:
                await second.greeted()

        assert (first.status, refused.status, second.status) == (200, 503, 200)


class TestJoining:
    async def test_is_not_admitted_behind_what_its_snapshot_shows(self, acme: psycopg.Connection, redis: Redis) -> None:
        async with api() as app, app.sources.snapshot() as before:
            follower, listener = ChangeFollower(app.sources), Told()
            await follower.join(listener, Place(before.freshness.position))
            renamed(acme, redis, "APEX")
            await follower._tell_round()
            follower._sources = HeldSources(app.sources.settings, before)

            page = await follower.catch_up(EVERYTHING, Place(0))
            admitted = await follower.join(Told(), page.reached)
            follower.close()

        assert listener.pages[-1].reached > page.reached == Place(before.freshness.position)
        assert not admitted

    async def test_is_kept_alive_with_no_id_of_what_is_still_to_be_sent(
        self, acme: psycopg.Connection, redis: Redis
    ) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(read_event(message["body"].decode().strip()))

        async with api(keepalive_seconds=0) as app:
            stream = ChangeStream(app._streams, wanted=EVERYTHING, place=Place(3), numbers="number")
            row = ChangeRow(position=4, kind="company_renamed")
            page = ChangePage(rows=[row], places=[Place(4)], reached=Place(4), is_last=True)
            turn = asyncio.create_task(stream._send_queued(send))
            # Between the beginning of the wait and its end, which follow each other at once.
            asyncio.get_running_loop().call_soon(stream.tell, page)

            await turn
            before = list(sent)
            await stream._send_queued(send)

        assert before == []
        assert [(event.id, event.name) for event in sent] == [("4", "changes")]


class Told:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.pages: list[ChangePage] = []

    def tell(self, page: ChangePage) -> None:
        self.pages.append(page)


class TestSlowReader:
    async def test_is_told_so_last_and_can_go_on_from_there(self, acme: psycopg.Connection, redis: Redis) -> None:
        async with api(queued_bytes=1_500, keepalive_seconds=0.05) as app:
            async with Listening(app, "kinds=company_tickers_changed") as slow, Listening(app) as quick:
                await quick.greeted()
                # It is kept alive once it has caught up: what comes from then on is queued for it.
                await slow.until(lambda slow: slow.blocks)
                slow.pause()
                for number in range(6):
                    renamed(acme, redis, f"T{number}")
                    await quick.until(lambda quick, number=number: f"T{number}" in tickers(quick))
                slow.go_on()
                await slow.until(lambda slow: slow.ended)
            async with Listening(app, "kinds=company_tickers_changed", last_event_id=slow.last_id) as again:
                await again.until(lambda again: "T5" in tickers(again))

        assert (slow.events[-1].name, slow.events[-1].data["code"]) == ("end", "slow_reader")
        assert tickers(slow) + tickers(again) == [f"T{number}" for number in range(6)]
        assert len(tickers(slow)) < 6

    async def test_who_takes_nothing_is_left(self, acme: psycopg.Connection, redis: Redis) -> None:
        async with api(patience_seconds=0.05) as app, Listening(app) as stuck:
            await stuck.greeted()
            stuck.pause()
            renamed(acme, redis, "APEX")

            await asyncio.wait_for(asyncio.shield(stuck._task), 20)

        assert stuck.rows == []


class TestReconnecting:
    @pytest.mark.usefixtures("small_pages")
    def test_leaves_out_and_doubles_nothing_wherever_it_is_cut(self, acme: psycopg.Connection, redis: Redis) -> None:
        few = st.integers(0, 2)
        revenue = iter(range(2_000, 9_000))

        def write(times: int) -> None:
            for _ in range(times):
                report(acme, redis, acme_filing(SECOND, next(revenue), filed_on=RESTATEMENT.filed_on))

        async def check(app: ReadApi, connections: list[tuple[int, int, int]]) -> None:
            last_id = str(since := newest(acme))
            told: list[Any] = []
            async with Listening(app) as steady:
                await steady.greeted()
                for before, during, cut in [*connections, (0, 0, 1_000)]:
                    write(before)
                    async with Listening(app, last_event_id=last_id) as listening:
                        await listening.greeted()
                        write(during)
                        ids = last_id, str(newest(acme))
                        await listening.until(
                            lambda it, cut=cut, ids=ids: len(it.events) >= cut or ids[1] in (it.last_id, ids[0])
                        )
                    told += listening.rows
                    last_id = listening.last_id or last_id
                await steady.until(lambda steady: str(newest(acme)) in (steady.last_id, str(since)))
            async with asgi_client(app) as client:
                listed = (await client.get(f"/v1/changes?since_position={since}&limit=1000")).json()["data"]
            assert last_id == str(newest(acme))
            assert of_events(told) == of_events(steady.rows) == of_events(listed)
            # A cell that changes again is listed where it changed last.
            assert set(cells(listed)) <= set(cells(told))
            assert len(set(cells(told))) == len(cells(told))

        with asyncio.Runner() as runner:
            running = api(keepalive_seconds=0.05)
            app = runner.run(running.__aenter__())

            @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
            @given(connections=st.lists(st.tuples(few, few, st.integers(0, 9)), max_size=4))
            def reconnect(connections: list[tuple[int, int, int]]) -> None:
                runner.run(check(app, connections))

            reconnect()
            runner.run(running.__aexit__(None, None, None))

    @pytest.fixture
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lets events end in the middle of what one position brought."""
        monkeypatch.setattr(change_follower, "PAGE_CHANGES", 3)
        monkeypatch.setattr(change_follower, "FOLLOW_SECONDS", 0.01)


def of_events(rows: list[Any]) -> list[tuple[Any, ...]]:
    names = ("position", "kind", "metric", "period", "period_start")
    return [tuple(row[name] for name in names) for row in rows if row["kind"] != "aggregate_changed"]


def cells(rows: list[Any]) -> list[tuple[Any, ...]]:
    names = ("position", "metric", "period")
    return [tuple(row[name] for name in names) for row in rows if row["kind"] == "aggregate_changed"]


def newest(connection: psycopg.Connection) -> int:
    found = connection.execute("select position from figures_v1.freshness").fetchone()
    assert found is not None
    return int(found[0])


class TestServer:
    async def test_pushes_to_a_client_over_http_and_says_when_it_stops(
        self, acme: psycopg.Connection, redis: Redis, database_url: str, redis_url: str
    ) -> None:
        from tests.fixtures.read_api import served_api

        with ExitStack() as running:
            environ = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url}
            address = await asyncio.to_thread(running.enter_context, served_api(environ))
            async with (
                asyncio.timeout(30),
                httpx.AsyncClient(base_url=address, timeout=30) as client,
                client.stream("GET", "/v1/stream", headers={"Last-Event-ID": "3"}) as answer,
            ):
                blocks: list[str] = []
                stopping: asyncio.Task[None] | None = None
                text = ""
                async for piece in answer.aiter_text():
                    text += piece
                    *whole, text = text.split("\n\n")
                    blocks += whole
                    if len(blocks) == 1 and stopping is None:
                        report(acme, redis, RESTATEMENT)
                    if any("\nevent: changes" in block for block in blocks) and stopping is None:
                        stopping = asyncio.create_task(asyncio.to_thread(running.close))
                assert stopping is not None
                await stopping

        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        told, end = read_event(blocks[1]), read_event(blocks[-1])
        assert [row["kind"] for row in told.data["data"]][:2] == ["filing_reported", "figure_restated"]
        assert (end.name, end.data["code"]) == ("end", "server_stopping")
