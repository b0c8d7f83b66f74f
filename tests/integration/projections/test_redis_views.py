"""Redis loses what it holds, falls back, or hears from somebody slow, and comes right by itself."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from commands.dispatch import dispatch_many
from config.embedded.valkey import EmbeddedValkey
from projections.redis_views import EPOCH_KEY, follow, seq_key
from projections.status import read_status
from projections.sweeper import drain, refresh_figures
from projections.verify import Difference, verify
from tests.factories import duration, register_company, report_filing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Interrupted(Redis):
    """A client to whose Redis something happens just before one of its scripts arrives."""

    def __init__(self, redis: Redis, *, before_script: int, happens: Callable[[], object]) -> None:
        super().__init__(connection_pool=redis.connection_pool)
        self._left = before_script
        self._happens = happens

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            self._happens()
        return super().eval(script, numkeys, *keys_and_args)


def happen(connection: psycopg.Connection, *, year: int, cik: int = 101) -> None:
    """A company reports a year; nobody has told Redis yet."""
    facts = (duration("us-gaap:Revenues", f"{year}-01-01", f"{year}-12-31", f"{year}"),)
    dispatch_many(connection, [register_company(cik=cik, name="One"), report_filing(cik=cik, facts=facts)], now=NOW)


def fold_without_redis(connection: psycopg.Connection) -> None:
    with Redis(port=1, retry=Retry(NoBackoff(), 0)) as nowhere:
        drain(connection, nowhere)


def standing(redis: Redis) -> tuple[int, int]:
    """The epoch served and the refresh it has reached."""
    epoch: Any = redis.get(EPOCH_KEY)
    seq: Any = redis.get(seq_key(int(epoch)))
    return int(epoch), int(seq)


def dump(redis: Redis) -> dict[bytes, bytes]:
    """All a Redis holds, for `restore`."""
    held: dict[bytes, Any] = {key: redis.dump(key) for key in redis.scan_iter()}
    return held


def restore(redis: Redis, held: dict[bytes, bytes]) -> None:
    """This will take a Redis back to what it held: what a fail-over does that loses the tail."""
    redis.flushall()
    for key, value in held.items():
        redis.restore(key, 0, value)


@pytest.fixture
def figures(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """A database with figures, all of which Redis holds."""
    happen(connection, year=2021)
    drain(connection, redis)
    return connection


class TestAfterALoss:
    def test_flushall_is_followed_by_an_epoch_no_epoch_was_before(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        before, _ = standing(redis)

        redis.flushall()
        refresh_figures(figures, redis)

        assert standing(redis)[0] > before
        verify(figures, redis)

    @pytest.mark.parametrize(
        "key", ["{ff}:epoch", "{ff}:epochs", "{ff}:<epoch>:seq", "{ff}:<epoch>:meta", "{ff}:rubbish:x"]
    )
    def test_what_somebody_else_wrote_is_replaced(self, figures: psycopg.Connection, redis: Redis, key: str) -> None:
        redis.set(key.replace("<epoch>", str(standing(redis)[0])), "rubbish")
        status = read_status(figures, redis)
        happen(figures, year=2022)
        drain(figures, redis)

        verify(figures, redis)
        assert status.redis.reachable

    def test_a_fragment_somebody_else_wrote_is_replaced_with_the_next_change_to_it(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        epoch, _ = standing(redis)
        for name in redis.scan_iter(f"{{ff}}:{epoch}:agg:*"):
            redis.set(name, "rubbish")
        with pytest.raises(Difference, match="is not what the table gives"):
            verify(figures, redis)
        happen(figures, year=2021, cik=102)
        drain(figures, redis)

        verify(figures, redis)

    def test_flushall_while_an_epoch_is_loaded_leaves_no_half_of_it(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        redis.flushall()

        follow(figures, Interrupted(redis, before_script=3, happens=redis.flushall))

        verify(figures, redis)

    def test_flushall_before_a_change_arrives_leaves_no_change_without_the_rest(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        happen(figures, year=2022)
        fold_without_redis(figures)

        follow(figures, Interrupted(redis, before_script=1, happens=redis.flushall))

        verify(figures, redis)

    def test_a_fail_over_that_lost_its_tail_gets_the_tail_again(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        replica = dump(redis)
        before = standing(redis)
        for year in (2022, 2023):
            happen(figures, year=year)
            drain(figures, redis)

        restore(redis, replica)
        assert standing(redis) == before
        refresh_figures(figures, redis)

        verify(figures, redis)

    def test_a_fail_over_before_a_change_arrives_loses_no_change_of_the_tail(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        replica = dump(redis)
        happen(figures, year=2022)
        drain(figures, redis)
        happen(figures, year=2023)
        fold_without_redis(figures)

        follow(figures, Interrupted(redis, before_script=1, happens=lambda: restore(redis, replica)))

        verify(figures, redis)

    def test_a_fail_over_after_a_switch_does_not_lose_the_epoch_it_brought_back(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        replica = dump(redis)
        redis.delete(seq_key(standing(redis)[0]))

        # begin, fill, switch; the fourth script drops the epoch before.
        follow(figures, Interrupted(redis, before_script=4, happens=lambda: restore(redis, replica)))

        verify(figures, redis)

    def test_tables_taken_back_to_an_earlier_state_are_loaded_anew(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        before, seq = standing(redis)
        figures.execute("update figures_v1.freshness set seq = seq - 1")

        refresh_figures(figures, redis)

        assert standing(redis)[1] == seq - 1
        assert standing(redis)[0] > before
        verify(figures, redis)

    def test_tables_that_came_to_the_same_number_another_way_are_loaded_anew(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        figures.execute("update figures_v1.freshness set fresh_at = fresh_at - interval '1 day'")

        refresh_figures(figures, redis)

        verify(figures, redis)


class TestSlowWriters:
    def test_a_slow_change_never_takes_back_a_newer_one(
        self, figures: psycopg.Connection, redis: Redis, connect: Callable[[], psycopg.Connection]
    ) -> None:
        happen(figures, year=2022)
        fold_without_redis(figures)
        quick = connect()
        seen: list[tuple[int, int]] = []

        def overtaken() -> None:
            happen(quick, year=2023)
            drain(quick, redis)
            seen.append(standing(redis))

        follow(figures, Interrupted(redis, before_script=1, happens=overtaken))

        assert standing(redis) == seen[0]
        verify(figures, redis)

    def test_a_slow_loader_never_takes_back_a_newer_epoch(
        self, figures: psycopg.Connection, redis: Redis, connect: Callable[[], psycopg.Connection]
    ) -> None:
        redis.flushall()
        quick = connect()
        seen: list[tuple[int, int]] = []

        def overtaken() -> None:
            # The slow loader has lost its session, and with it the lock that kept others from loading.
            quick.execute("select pg_terminate_backend(%s)", [slow.info.backend_pid])
            happen(quick, year=2023)
            drain(quick, redis)
            seen.append(standing(redis))

        slow = connect()
        with pytest.raises(psycopg.OperationalError):
            follow(slow, Interrupted(redis, before_script=3, happens=overtaken))

        assert standing(redis) == seen[0]
        verify(figures, redis)

    def test_a_follower_that_saw_the_tables_earlier_does_not_take_a_newer_redis_for_a_lost_one(
        self, figures: psycopg.Connection, redis: Redis
    ) -> None:
        epoch, _ = standing(redis)
        for year in (2022, 2023):
            happen(figures, year=year)
            drain(figures, redis)

        assert follow(figures, redis) == 0
        assert standing(redis)[0] == epoch


class TestARestart:
    @pytest.fixture
    def durable(self, tmp_path: Path) -> Iterator[EmbeddedValkey]:
        server = EmbeddedValkey(tmp_path / "valkey", password="test")
        server.start()
        yield server
        server.stop()

    def test_by_kill_keeps_what_was_held_and_goes_on(
        self, connection: psycopg.Connection, durable: EmbeddedValkey
    ) -> None:
        with Redis.from_url(durable.url()) as redis:
            happen(connection, year=2021)
            drain(connection, redis)
            before = standing(redis)
            assert durable.process is not None

            durable.process.kill()
            durable.process.wait()
            happen(connection, year=2022)
            fold_without_redis(connection)
            durable.start()

            assert standing(redis) == before
            refresh_figures(connection, redis)
            assert standing(redis)[0] == before[0]
            verify(connection, redis)
