"""How the read side holds on to its servers."""

import dataclasses
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import psycopg
import pytest
import redis.asyncio as redis_asyncio
from redis import Redis
from redis.exceptions import RedisError

from queries.connections import ReadSources
from queries.errors import QueryError
from queries.redis_reader import KeyReader
from tests.fixtures.figures import set_freshness


class _Number(msgspec.Struct, frozen=True):
    n: int


class TestKeyReader:
    async def test_gives_each_reader_its_own_keys_from_a_few_commands(self, redis: Redis, redis_url: str) -> None:
        redis.mset({f"key {number}": number for number in range(32)})
        reader = KeyReader(_client(redis_url))
        await reader.read(("key 0",))
        redis.config_resetstat()
        found: dict[int, list[bytes | None]] = {}

        async def read(number: int) -> None:
            found[number] = await reader.read((f"key {number}", "nothing", f"key {31 - number}"))

        async with anyio.create_task_group() as group:
            for number in range(32):
                group.start_soon(read, number)
        commands = redis.info("commandstats")["cmdstat_mget"]["calls"]
        await reader.close()

        assert found == {n: [b"%d" % n, None, b"%d" % (31 - n)] for n in range(32)}
        assert commands <= 3

    async def test_tells_every_reader_that_redis_is_away_and_recovers(self, redis: Redis, redis_url: str) -> None:
        reader = KeyReader(_client("redis://127.0.0.1:1/0"))
        refused = 0

        async def read() -> None:
            nonlocal refused
            with pytest.raises(RedisError):
                await reader.read(("key",))
            refused += 1

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(read)
        reader._client = _client(redis_url)
        again = await reader.read(("key",))
        await reader.close()

        assert (refused, again) == (5, [None])

    async def test_outlives_a_reader_that_has_gone(self, redis: Redis, redis_url: str) -> None:
        redis.set("key", "value")
        reader = KeyReader(_client(redis_url))

        with anyio.CancelScope() as gone:
            gone.cancel()
            await reader.read(("key",))
        still = await reader.read(("key",))
        await reader.close()

        assert still == [b"value"]


class TestReadSources:
    async def test_leave_a_redis_that_failed_alone_for_a_while(self, redis: Redis, redis_url: str) -> None:
        from django.conf import settings

        sources = ReadSources(dataclasses.replace(settings.FACTFOLD, redis_url="redis://127.0.0.1:1/0"))
        await sources.open()
        first = await sources.redis.read("key")
        sources.redis._keys = KeyReader(_client(redis_url))

        resting = await sources.redis.read("key")
        sources.redis._rests_until = 0.0
        rested = await sources.redis.read("key")
        await sources.close()

        assert (first, resting, rested) == (None, None, [None])

    async def test_answer_at_once_after_every_session_was_lost(self, figures: psycopg.Connection) -> None:
        from django.conf import settings

        sources = ReadSources(settings.FACTFOLD)
        await sources.open()
        async with sources.snapshot() as one, sources.snapshot() as two, sources.snapshot() as three:
            sessions = [snapshot._connection.info.backend_pid for snapshot in (one, two, three)]
        figures.execute("select pg_terminate_backend(pid, 5000) from unnest(%s) as pid", [sessions])

        try:
            async with sources.snapshot() as first, sources.snapshot() as second:
                positions = [first.freshness.position, second.freshness.position]
        finally:
            await sources.close()

        assert positions == [40, 40]

    async def test_run_one_statement_alone_unless_its_session_or_its_tables_have_gone(
        self, figures: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.conf import settings

        monkeypatch.setattr("queries.tables.POOL_CONNECTIONS", 1)
        sources = ReadSources(settings.FACTFOLD)
        await sources.open()
        try:
            there = await sources.tables.fetch_alone(_Number, b"select %(n)s::integer as n", {"n": 3})
            gone = await sources.tables.fetch_alone(_Number, b"select n from figures_v99.company", {})
            sessions = await sources.tables.fetch_alone(_Number, b"select pg_backend_pid() as n", {}) or []
            figures.execute("select pg_terminate_backend(%s, 5000)", [sessions[0].n])
            lost = await sources.tables.fetch_alone(_Number, b"select 3 as n", {})
            async with sources.snapshot() as snapshot:
                position = snapshot.freshness.position
        finally:
            await sources.close()

        assert (there, gone, lost, position) == ([_Number(3)], None, None, 40)

    async def test_keep_a_session_of_which_one_statement_among_several_took_too_long(
        self, figures: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.conf import settings

        monkeypatch.setattr("queries.tables.POOL_CONNECTIONS", 1)
        sources = ReadSources(settings.FACTFOLD)
        await sources.open()
        quick = b"select %(n)s::integer as n", {"n": 3}
        slow = b"select %(n)s::integer as n from pg_sleep(60)", {"n": 2}
        try:
            async with sources.snapshot() as snapshot:
                session = snapshot._connection.info.backend_pid
            with pytest.raises(QueryError, match="took longer than it may"):
                await _ask_in_a_hurry(sources, [quick, slow, quick])
            async with sources.snapshot() as snapshot:
                again = snapshot._connection.info.backend_pid
                found = await snapshot.fetch_each(_Number, [quick, quick])
        finally:
            await sources.close()

        assert (again, found) == (session, [[_Number(3)], [_Number(3)]])

    @pytest.mark.slow  # psycopg gives a cancelled statement five seconds
    async def test_give_up_a_session_that_says_nothing_and_ask_on_another(
        self, figures: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.conf import settings

        monkeypatch.setattr("queries.tables.POOL_CONNECTIONS", 1)
        sources = ReadSources(settings.FACTFOLD)
        await sources.open()
        (session,) = await sources.tables.fetch_alone(_Number, b"select pg_backend_pid() as n", {}) or []
        silent = session.n
        monkeypatch.setattr("queries.tables._SILENT_MS", 200)
        os.kill(silent, signal.SIGSTOP)
        try:
            with pytest.raises(QueryError, match="the database says nothing"):
                async with sources.snapshot():
                    pass
            monkeypatch.undo()
            async with sources.snapshot() as snapshot:
                other, position = snapshot._connection.info.backend_pid, snapshot.freshness.position
        finally:
            os.kill(silent, signal.SIGCONT)
            await sources.close()

        assert other != silent
        assert position == 40


class TestPositions:
    async def test_are_waited_for_by_many_at_the_cost_of_one(self, figures: psycopg.Connection) -> None:
        from django.conf import settings

        sources = ReadSources(settings.FACTFOLD)
        await sources.open()
        arrived: list[int] = []

        async def wait(position: int) -> None:
            await sources.positions.reach(position)
            arrived.append(position)

        async with anyio.create_task_group() as group:
            for position in [40, *[41] * 30, 42]:
                group.start_soon(wait, position)
            with anyio.fail_after(10):
                while sources.positions.waiting < 31:
                    await anyio.lowlevel.checkpoint()
            set_freshness(figures, position=41)
            with anyio.fail_after(10):
                while len(arrived) < 31:
                    await anyio.lowlevel.checkpoint()
            set_freshness(figures, position=42)
        await sources.close()

        assert arrived == [40, *[41] * 30, 42]

    async def test_are_waited_for_no_longer_than_said_by_whoever_cannot_even_look(
        self, figures: psycopg.Connection, database_url: str
    ) -> None:
        from django.conf import settings

        sources = ReadSources(dataclasses.replace(settings.FACTFOLD, min_position_wait_ms=20))
        await sources.open()
        try:
            with psycopg.connect(database_url) as holding:
                holding.execute("lock table figures_v1.freshness in access exclusive mode")
                with pytest.raises(QueryError, match="has not said in time how far") as refused:
                    await sources.positions.reach(40)
            reached = await sources.positions.reach(40)
        finally:
            await sources.close()

        assert (refused.value.code, reached) == ("unavailable", 40)


async def _ask_in_a_hurry(sources: ReadSources, asked: Sequence[tuple[bytes, Mapping[str, Any]]]) -> None:
    async with sources.snapshot() as snapshot:
        await snapshot._connection.execute("set local statement_timeout = 20")
        await snapshot.fetch_each(_Number, asked)


def _client(url: str) -> redis_asyncio.Redis:
    return redis_asyncio.Redis.from_url(url, protocol=2, socket_timeout=2, socket_connect_timeout=2, retry=None)
