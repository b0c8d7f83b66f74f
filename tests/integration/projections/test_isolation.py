"""What sessions do to each other while they fold and refresh, interleaved by hand."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from random import Random

import psycopg
import pytest
from psycopg import IsolationLevel
from redis import Redis

from commands.dispatch import dispatch_many
from commands.event_log.sequence import sequence_pending
from commands.messages import Command
from projections.aggregates import refresh
from projections.projector import CatchUp, catch_up
from projections.sweeper import drain, lagging_shards, refresh_figures
from projections.verify import verify
from tests.factories import register_company, report_filing
from tests.fixtures.sessions import Session

type Connect = Callable[[], psycopg.Connection]

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def happen(connection: psycopg.Connection, *commands: Command) -> None:
    dispatch_many(connection, commands, now=NOW)
    sequence_pending(connection)


def fold(connection: psycopg.Connection, **named: int) -> CatchUp:
    (shard,) = lagging_shards(connection)
    return catch_up(connection, projection="figures", shard=shard, **named)


def position(connection: psycopg.Connection) -> int:
    row = connection.execute("select position from figures_v1.freshness").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def other(connection: psycopg.Connection, connect: Connect) -> Session:
    return Session(connect(), observer=connection)


class TestTwoProjectorsOnOneShard:
    def test_the_second_leaves_at_once(self, connection: psycopg.Connection, connect: Connect) -> None:
        happen(connection, register_company(cik=101))
        holder = connect()

        with holder.transaction():
            holder.execute("select from projections.checkpoint for update")

            assert fold(connection) == CatchUp(reached_seq=0, events=0, busy=True)

    def test_the_first_goes_on_to_what_the_second_was_turned_away_with(
        self, connection: psycopg.Connection, redis: Redis, connect: Connect, other: Session
    ) -> None:
        happen(connection, register_company(cik=101))
        obstacle = connect()
        with obstacle.transaction():
            obstacle.execute("lock table figures_v1.company in exclusive mode")
            holding = other.begin(lambda own: fold(own, to_seq=1))
            other.wait_until_blocked()
            happen(connection, report_filing(cik=101))
            assert fold(connection, to_seq=2).busy

        found = holding.result()

        assert found == CatchUp(reached_seq=2, events=2)
        drain(connection, redis)
        verify(connection, redis)

    def test_a_batch_that_is_lost_before_its_commit_is_folded_once_by_the_next(
        self, connection: psycopg.Connection, redis: Redis, connect: Connect
    ) -> None:
        happen(connection, register_company(cik=101), report_filing(cik=101))
        lost = connect()
        with lost.transaction() as transaction:
            assert fold(lost).events == 2
            raise psycopg.Rollback(transaction)

        assert fold(connection).events == 2

        drain(connection, redis)
        verify(connection, redis)


class TestTwoRefreshes:
    @pytest.fixture(autouse=True)
    def _some_figures(self, connection: psycopg.Connection) -> None:
        happen(connection, register_company(cik=101), report_filing(cik=101))
        fold(connection)

    def test_the_second_leaves_and_the_first_shows_what_it_was_turned_away_with(
        self, connection: psycopg.Connection, redis: Redis, connect: Connect, other: Session
    ) -> None:
        obstacle = connect()
        with obstacle.transaction():
            obstacle.execute("lock table figures_v1.group_aggregate in exclusive mode")
            working = other.begin(lambda own: refresh_figures(own, redis))
            other.wait_until_blocked()
            happen(connection, report_filing(cik=101))
            fold(connection)
            refresh_figures(connection, redis)
            assert position(connection) == 0
        working.result()

        assert position(connection) == 3
        verify(connection, redis)

    def test_one_whose_snapshot_is_older_than_the_others_commit_cannot_take_its_groups_again(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        def refresh_between(slow: psycopg.Connection) -> None:
            with slow.transaction():
                assert slow.execute("select count(*) from figures_v1.dirty_cell").fetchone() != (0,)
                assert refresh(connection, now=NOW)
                slow.execute("delete from figures_v1.dirty_cell")

        slow = connect()
        slow.isolation_level = IsolationLevel.REPEATABLE_READ

        with pytest.raises(psycopg.errors.SerializationFailure):
            refresh_between(slow)

    def test_groups_marked_while_a_refresh_works_are_left_for_the_next(
        self, connection: psycopg.Connection, redis: Redis, connect: Connect, other: Session
    ) -> None:
        obstacle = connect()
        with obstacle.transaction():
            obstacle.execute("lock table figures_v1.group_aggregate in exclusive mode")
            working = other.begin(lambda own: refresh(own, now=NOW))
            other.wait_until_blocked()
            happen(connection, report_filing(cik=101))
            fold(connection)
        first = working.result()

        second = refresh(connection, now=NOW)

        assert first is not None
        assert second is not None
        assert (first.position, second.position) == (2, 3)
        refresh_figures(connection, redis)
        verify(connection, redis)


class TestManyAtOnce:
    def test_writers_projectors_and_refreshes_in_any_order_never_deadlock(
        self, connection: psycopg.Connection, redis: Redis, connect: Connect
    ) -> None:
        ciks = range(101, 117)
        happen(connection, *(register_company(cik=cik) for cik in ciks))

        def write(own: psycopg.Connection, random: Random) -> None:
            for _ in range(4):
                chosen = random.sample(ciks, k=8)
                happen(own, *(report_filing(cik=cik) for cik in chosen))

        def project(own: psycopg.Connection, random: Random) -> None:
            for _ in range(8):
                shards = list(lagging_shards(own))
                random.shuffle(shards)
                for shard in shards:
                    catch_up(own, projection="figures", shard=shard, batch_events=3)
                refresh(own, now=NOW)

        with ThreadPoolExecutor(6) as pool:
            work = [pool.submit(write, connect(), Random(seed)) for seed in range(3)]
            work += [pool.submit(project, connect(), Random(seed)) for seed in range(3)]

        assert [done.exception() for done in work] == [None] * 6
        drain(connection, redis)
        verify(connection, redis)
