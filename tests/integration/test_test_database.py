"""The ground other tests stand on: each starts on an empty, migrated database."""

from collections.abc import Callable

import psycopg
from django.conf import settings
from redis import Redis

from tests.fixtures.clean_database import clean_database


class TestCleanDatabase:
    def test_removes_what_a_test_wrote_and_keeps_what_migrations_seed(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection]
    ) -> None:
        other = connect()
        other.execute("insert into events.stream values ('company-1', 1, 3)")
        other.execute(
            "insert into events.event (stream, version, type, data, size) values ('company-1', 1, 'X', '{}', 2)"
        )
        other.execute("update events.shard_head set shard_seq = 1, position = 1 where shard = 3")
        other.execute("create schema figures_v2; create table figures_v2.fact (cik bigint)")

        clean_database(connection)

        seeded = connection.execute(
            """
            select (select count(*) from events.event), (select sum(position) from events.shard_head),
                   (select count(*) from events.shard_head), (select count(*) from projections.checkpoint),
                   (select count(*) from figures_v1.freshness), to_regnamespace('figures_v2')
            """
        ).fetchone()
        assert seeded == (0, 0, settings.FACTFOLD.shards, settings.FACTFOLD.shards, 1, None)
        assert connection.execute("select nextval(pg_get_serial_sequence('events.event', 'id'))").fetchone() == (1,)

    def test_gives_each_test_an_empty_valkey(self, redis: Redis) -> None:
        assert redis.dbsize() == 0

    async def test_runs_async_tests(self, database_url: str) -> None:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute("show server_version")
            row = await cursor.fetchone()

        assert row is not None
        assert row[0].startswith("18.")
