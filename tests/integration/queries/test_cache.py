"""Answers that took long are kept for whoever asks next, and never longer than they are right."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import httpx
import psycopg
import pytest
from redis import Redis

from projections.redis_views import follow
from queries import cache
from queries.cache import kept_answer
from queries.connections import ReadSources
from queries.read_models.search_hit import SEARCH_HIT, SearchHitRow
from queries.service.result import ReadyResult, Result, meta_of
from queries.service.search import SearchQuery
from queries.tables import Snapshot
from tests.fixtures.figures import set_freshness

PATH = "/v1/aggregates?metric=revenue&period=CY2023&group_by=all&as_of=2024-12-31"


@pytest.fixture
def filled(figures: psycopg.Connection, redis: Redis) -> Redis:
    """A Redis that holds what the tables hold."""
    follow(figures, redis)
    return redis


@pytest.fixture
async def processes(filled: Redis) -> AsyncIterator[list[ReadSources]]:
    """The connections of three processes."""
    from django.conf import settings

    async with AsyncExitStack() as stack:
        opened = [ReadSources(settings.FACTFOLD) for _ in range(3)]
        for sources in opened:
            await sources.open()
            stack.push_async_callback(sources.close)
        yield opened


class Work:
    """Takes a moment, and counts how often it was begun."""

    def __init__(self, *, seconds: float = 0, characters: int = 1) -> None:
        self.begun = 0
        self._seconds = seconds
        self._text = "x" * characters

    async def __call__(self, snapshot: Snapshot) -> Result:
        self.begun += 1
        await asyncio.sleep(self._seconds)
        row = SearchHitRow(kind="metric", id=str(self.begun), title=self._text, detail="", url="")
        return Result(read_model=SEARCH_HIT, meta=meta_of(snapshot.freshness, next_cursor="more"), rows=[row])

    async def ask(self, sources: ReadSources, question: str = "a", *, least: int | None = None) -> Result | ReadyResult:
        """This will ask a question to which this work is the answer."""
        query = SearchQuery(query=question, min_position=least)
        return await kept_answer(sources, query=query, read_model=SEARCH_HIT, work=self)


class TestKeptAnswers:
    async def test_come_from_redis_with_the_same_bytes(self, client: httpx.AsyncClient, filled: Redis) -> None:
        worked_out = await client.get(PATH)
        kept = await client.get(PATH)
        filled.flushall()
        again = await client.get(PATH)

        assert [a.json()["meta"]["source"] for a in (worked_out, kept, again)] == ["postgres", "redis", "postgres"]
        assert kept.headers["x-factfold-position"] == "40"
        assert kept.content.replace(b'"redis"', b'"postgres"') == worked_out.content == again.content
        assert worked_out.json()["data"][0]["sum"] == 595200000000

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/frames/revenue/CY2023?sort=value&order=desc&limit=1&as_of=2024-12-31",
            "/v1/rankings?metric=revenue&period=CY2023&limit=1&as_of=2024-12-31",
            "/v1/screen?where=revenue>1e9&where=net_income.rank(all)<9&columns=net_margin&limit=1&as_of=2024-12-31",
        ],
    )
    @pytest.mark.parametrize("numbers", ["number", "text"])
    async def test_may_be_pages_of_every_company(
        self, client: httpx.AsyncClient, filled: Redis, path: str, numbers: str
    ) -> None:
        worked_out, kept = [await client.get(f"{path}&numbers={numbers}") for _ in range(2)]

        assert [a.json()["meta"]["source"] for a in (worked_out, kept)] == ["postgres", "redis"]
        assert kept.content.replace(b'"redis"', b'"postgres"') == worked_out.content
        assert kept.headers["link"] == worked_out.headers["link"]
        assert kept.json()["next_cursor"]

    @pytest.mark.parametrize(
        "path",
        [
            "/v1/companies/AAPL/standing?metrics=revenue,gross_margin&as_of=2024-12-31",
            "/v1/companies/AAPL/standing?metrics=revenue&members=then",
            "/v1/companies/AAPL/peers?by=sector&as_of=2024-12-31",
            "/v1/frames/revenue/CY2023?members=then",
            "/v1/rankings?metric=revenue&period=CY2023&members=then",
        ],
    )
    async def test_may_be_of_one_company_and_of_members_of_then(
        self, client: httpx.AsyncClient, filled: Redis, path: str
    ) -> None:
        worked_out, kept = [await client.get(path) for _ in range(2)]

        assert [a.json()["meta"]["source"] for a in (worked_out, kept)] == ["postgres", "redis"]
        assert kept.content.replace(b'"redis"', b'"postgres"') == worked_out.content

    async def test_are_those_of_the_question_asked(self, client: httpx.AsyncClient, filled: Redis) -> None:
        for _ in range(2):
            told = [
                (await client.get(f"{PATH}{more}")).json()["data"][0]
                for more in ("", "&members=today", "&stats=coverage", "&numbers=text")
            ]

        assert [row["members"] for row in told] == ["then", "today", "then", "then"]
        assert [row["expected"] for row in told] == [None, None, 2, None]
        assert [row["sum"] for row in told] == [*[595200000000] * 3, "595200000000"]

    async def test_carry_their_cursor(self, processes: list[ReadSources]) -> None:
        work = Work()
        await work.ask(processes[0])

        kept = await work.ask(processes[1])

        assert isinstance(kept, ReadyResult)
        assert (kept.next_cursor, kept.unpack().meta.next_cursor, work.begun) == ("more", "more", 1)

    async def test_end_with_the_state_they_are_of(
        self, processes: list[ReadSources], figures: psycopg.Connection, filled: Redis
    ) -> None:
        work = Work()
        await work.ask(processes[0])

        set_freshness(figures, position=41)
        behind = await work.ask(processes[0])
        asked_for = await work.ask(processes[0], least=41)
        not_yet_told = await work.ask(processes[1], least=41)
        follow(figures, filled)
        told = await work.ask(processes[1])

        assert all(map(is_kept, (behind, not_yet_told, told)))
        assert [position(answer) for answer in (behind, not_yet_told, told)] == [40, 41, 41]
        assert not is_kept(asked_for)
        assert work.begun == 2

    async def test_end_with_the_version_they_are_of(
        self, processes: list[ReadSources], figures: psycopg.Connection, filled: Redis
    ) -> None:
        """A version that takes over at the same position goes on with its time, and with the count of refreshes."""
        work = Work()
        await work.ask(processes[0])

        figures.execute("update figures_v1.freshness set seq = seq + 1")
        unfollowed = await work.ask(processes[1])
        followed = follow(figures, filled)

        assert (is_kept(unfollowed), followed) == (True, 0)
        assert not is_kept(await work.ask(processes[1]))
        assert is_kept(await work.ask(processes[0]))
        assert work.begun == 2

    async def test_end_where_other_tables_are_restored(
        self, processes: list[ReadSources], figures: psycopg.Connection, filled: Redis
    ) -> None:
        """Restored tables may come to the same position and count of refreshes another way, at another time."""
        work = Work()
        await work.ask(processes[0])

        figures.execute("update figures_v1.freshness set fresh_at = fresh_at + interval '1 second'")
        follow(figures, filled)

        assert not is_kept(await work.ask(processes[0]))

    async def test_are_worked_out_once_in_a_process_without_redis(self, filled: Redis) -> None:
        from django.conf import settings

        away = dataclasses.replace(settings.FACTFOLD, redis_url="redis://127.0.0.1:1/0")
        sources, work = ReadSources(away), Work(seconds=0.1)
        await sources.open()

        answers = await asyncio.gather(*(work.ask(sources) for _ in range(5)))
        await sources.close()

        assert not any(map(is_kept, answers))
        assert work.begun == 1

    async def test_are_not_kept_while_something_was_folded_that_no_refresh_has_seen(
        self, processes: list[ReadSources], figures: psycopg.Connection
    ) -> None:
        work = Work()
        unseen = [
            "insert into figures_v1.dirty_cell values ('revenue', 'CY2023', 1)",
            "update projections.checkpoint set position = 41 where name = 'figures' and shard = 0",
            "insert into projections.parked (name, version, position, stream, error) "
            "values ('figures', 1, 9, 's', 'e')",
        ]
        for statement in unseen:
            figures.execute(statement)

            answers = [await work.ask(processes[0], statement[:60]) for _ in range(2)]

            assert not any(map(is_kept, answers)), statement
            figures.execute("delete from figures_v1.dirty_cell; delete from projections.parked")
            figures.execute("update projections.checkpoint set position = 0")
        assert work.begun == 2 * len(unseen)

    async def test_are_worked_out_once_however_many_ask(self, processes: list[ReadSources]) -> None:
        work = Work(seconds=0.1)

        answers = await asyncio.gather(*(work.ask(sources) for sources in processes for _ in range(5)))

        assert len(answers) == 15
        assert work.begun == 1

    async def test_are_worked_out_to_the_end_though_the_first_to_ask_leaves(self, processes: list[ReadSources]) -> None:
        work = Work(seconds=0.1)
        first = asyncio.create_task(work.ask(processes[0]))
        second = asyncio.create_task(work.ask(processes[0]))
        await asyncio.sleep(0.03)

        first.cancel()
        with suppress(asyncio.CancelledError):
            await first

        assert (await second).read_model is SEARCH_HIT
        assert work.begun == 1

    async def test_do_not_wait_for_a_process_that_died_at_it(
        self, processes: list[ReadSources], filled: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        work = Work()
        await work.ask(processes[0])
        (key,) = [key for key in filled.scan_iter("answers:*") if len(key) > 40]
        filled.delete(key)
        filled.set(key + b":at-it", "a process that died", px=200)

        answer = await work.ask(processes[0])

        assert not is_kept(answer)
        assert work.begun == 2

    async def test_take_no_more_room_than_they_may(
        self, processes: list[ReadSources], filled: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cache, "ANSWERS_BYTES", 10_000)
        monkeypatch.setattr(cache, "LARGEST_BYTES", 4_000)
        work, large = Work(characters=2_000), Work(characters=5_000)

        for question in "abcdefgh":
            await work.ask(processes[0], question)
        await large.ask(processes[0], "large")

        sizes = filled.hgetall("answers:{ff}:sizes")
        assert sum(map(int, sizes.values())) <= 10_000
        assert {key: filled.strlen(key) for key in sizes} == {key: int(size) for key, size in sizes.items()}
        assert all(0 < filled.pttl(key) <= cache.KEPT_SECONDS * 1000 for key in sizes)
        assert len(sizes) == filled.zcard("answers:{ff}:ages") == 4
        assert [is_kept(await work.ask(processes[0], question)) for question in "he"] == [True, True]
        assert not is_kept(await large.ask(processes[0], "large"))


def is_kept(answer: Result | ReadyResult) -> bool:
    return isinstance(answer, ReadyResult)


def position(answer: Result | ReadyResult) -> int:
    return answer.position if isinstance(answer, ReadyResult) else answer.meta.position
