"""Keys as requests look for them, in a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from config.access import key_lookup
from config.access.errors import KeysUnavailable
from config.access.key_lookup import KEPT_SECONDS, KeyLookup
from tests.fixtures.api_keys import given_key
from tests.fixtures.waiting import wait_until

OURS = "from pg_stat_activity where application_name = 'factfold-keys' and datname = current_database()"


class Clock:
    """Time that passes when a test says so."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def lookup(connection: psycopg.Connection, database_url: str, clock: Clock) -> AsyncIterator[KeyLookup]:
    lookup = KeyLookup(database_url, clock=clock)
    yield lookup
    await lookup.close()


def prefix_of(key: str) -> str:
    return key.split("_")[1]


async def until_one_waits(connection: psycopg.Connection) -> None:
    """This will return once a lookup waits for a lock that somebody else holds."""
    waiting = f"select 1 {OURS} and wait_event_type = 'Lock'"
    await asyncio.to_thread(wait_until, lambda: connection.execute(waiting).fetchone())


class TestKeyLookup:
    async def test_finds_a_key_with_all_that_is_kept_of_it(
        self, lookup: KeyLookup, connection: psycopg.Connection
    ) -> None:
        prefix = prefix_of(given_key(connection, "read", "write", requests_a_minute=60))

        found = await lookup.find(prefix)

        assert found is not None
        assert (found.prefix, found.scopes, found.requests_a_minute) == (prefix, ["read", "write"], 60)
        assert len(found.secret_sha256) == 32

    async def test_sees_a_revocation_when_what_it_remembers_is_old(
        self, lookup: KeyLookup, connection: psycopg.Connection, clock: Clock
    ) -> None:
        prefix = prefix_of(given_key(connection, "read"))
        await lookup.find(prefix)
        connection.execute("update access.api_key set revoked_at = now()")

        clock.seconds = KEPT_SECONDS - 0.1
        remembered = await lookup.find(prefix)
        clock.seconds = KEPT_SECONDS
        found = await lookup.find(prefix)

        assert remembered is not None
        assert remembered.revoked_at is None
        assert found is not None
        assert found.revoked_at is not None

    async def test_remembers_that_there_is_no_key(
        self, lookup: KeyLookup, connection: psycopg.Connection, clock: Clock
    ) -> None:
        prefix = prefix_of(given_key(connection, "read"))
        connection.execute("create temporary table aside as select * from access.api_key")
        connection.execute("delete from access.api_key")
        await lookup.find(prefix)
        connection.execute("insert into access.api_key select * from aside")

        remembered = await lookup.find(prefix)
        clock.seconds = KEPT_SECONDS

        assert remembered is None
        assert await lookup.find(prefix) is not None

    async def test_keeps_no_more_than_it_may_however_many_are_made_up(
        self, lookup: KeyLookup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(key_lookup, "MOST_KEPT", 10)

        for made_up in range(25):
            await lookup.find(f"{made_up:012x}")

        assert list(lookup._kept) == [f"{made_up:012x}" for made_up in range(15, 25)]

    async def test_asks_one_thing_at_a_time_over_one_connection(
        self, lookup: KeyLookup, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection]
    ) -> None:
        key = prefix_of(given_key(connection, "read"))
        holding = connect()

        with holding.transaction():
            holding.execute("lock table access.api_key")
            asking = [asyncio.create_task(lookup.find(prefix)) for prefix in (key, key, "0" * 12, "1" * 12)]
            await until_one_waits(connection)
            waiting = connection.execute(f"select count(*) {OURS}").fetchone()
        found = await asyncio.gather(*asking)

        assert waiting == (1,)
        assert [key is not None for key in found] == [True, True, False, False]

    async def test_connects_anew_when_the_connection_was_lost(
        self, lookup: KeyLookup, connection: psycopg.Connection
    ) -> None:
        await lookup.find("0" * 12)
        connection.execute(f"select pg_terminate_backend(pid, 5000) {OURS}")

        found = await lookup.find(prefix_of(given_key(connection, "read")))

        assert found is not None

    @pytest.mark.parametrize("away", ["postgresql://nobody@127.0.0.1:1/none", "a database without tables"])
    async def test_says_when_it_cannot_know(self, connection: psycopg.Connection, database_url: str, away: str) -> None:
        without_tables = f"{database_url.rpartition('/')[0]}/postgres"
        lookup = KeyLookup(away if away.startswith("postgresql") else without_tables)

        with pytest.raises(KeysUnavailable):
            await lookup.find("0" * 12)

        await lookup.close()

    async def test_is_not_misled_by_one_who_went_away_while_asking(
        self, lookup: KeyLookup, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection]
    ) -> None:
        key = prefix_of(given_key(connection, "read"))
        holding = connect()
        with holding.transaction():
            holding.execute("lock table access.api_key")
            leaving = asyncio.create_task(lookup.find(key))
            await until_one_waits(connection)
            leaving.cancel()
            await asyncio.wait([leaving])

        assert await lookup.find("0" * 12) is None
        assert await lookup.find(key) is not None


class TestTheTable:
    def test_is_no_business_of_bi_tools(self, connection: psycopg.Connection) -> None:
        row = connection.execute("select has_schema_privilege('factfold_bi', 'access', 'usage')").fetchone()

        assert row == (False,)

    @pytest.mark.parametrize(
        "change",
        ["scopes = '{}'", "scopes = '{read,delete}'", "requests_a_minute = 0", "secret_sha256 = 'abc'", "name = ''"],
    )
    def test_holds_no_key_that_means_nothing(self, connection: psycopg.Connection, change: str) -> None:
        given_key(connection, "read")

        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(f"update access.api_key set {change}")
