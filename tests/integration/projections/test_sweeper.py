"""Sweeping while more comes in than is folded."""

import psycopg
import pytest
from redis import Redis

from commands.dispatch import dispatch_many
from commands.event_log.read import shard_heads
from commands.event_log.sequence import sequence_pending
from projections.projector import catch_up
from projections.redis_views import follow
from projections.sweeper import MANY_WAITING, PATIENCE_SECONDS, Pace, lagging_shards, refresh_figures, sweep
from tests.fixtures.filings import NOW, RegisterCompanyFactory, ReportFilingFactory


def refreshes(connection: psycopg.Connection) -> int:
    row = connection.execute("select seq from figures_v1.freshness").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def load(connection: psycopg.Connection) -> list[int]:
    """The shards of a log with many events that nobody has folded."""
    companies = RegisterCompanyFactory.build_batch(MANY_WAITING)
    filings = [ReportFilingFactory.build(cik=company.cik) for company in companies]
    dispatch_many(connection, [*companies, *filings], now=NOW)
    sequence_pending(connection)
    return sorted(shard_heads(connection))


class TestSweep:
    def test_leaves_the_figures_of_a_load_under_way_for_later(
        self, connection: psycopg.Connection, database_url: str, redis: Redis, load: list[int]
    ) -> None:
        seconds = [0.0]
        pace = Pace(lambda: seconds[0])

        with psycopg.connect(database_url) as other:
            other.execute("select from projections.checkpoint where shard <> %s for update", [load[0]])
            folded = sweep(connection, redis, pace=pace)
            under_load = refreshes(connection)
            seconds[0] = PATIENCE_SECONDS
            sweep(connection, redis, pace=pace)
            after_the_wait = refreshes(connection)
        left = sweep(connection, redis, pace=pace)

        assert folded > 0
        assert (under_load, after_the_wait, refreshes(connection)) == (0, 1, 2)
        assert folded + left == 2 * MANY_WAITING
        assert not lagging_shards(connection)


class TestRefreshFigures:
    @pytest.mark.parametrize(("load_goes_on", "then_refreshed"), [(True, 1), (False, 2)])
    def test_looks_again_for_what_was_folded_meanwhile_unless_a_load_goes_on(
        self,
        connection: psycopg.Connection,
        redis: Redis,
        load: list[int],
        monkeypatch: pytest.MonkeyPatch,
        load_goes_on: bool,
        then_refreshed: int,
    ) -> None:
        first, second, *others = load
        meanwhile = [second] if load_goes_on else [second, *others]

        def follow_while_others_fold(connection: psycopg.Connection, redis: Redis) -> int:
            for shard in meanwhile:
                catch_up(connection, projection="figures", shard=shard)
            return follow(connection, redis)

        monkeypatch.setattr("projections.sweeper.follow", follow_while_others_fold)
        catch_up(connection, projection="figures", shard=first)

        refresh_figures(connection, redis)

        assert refreshes(connection) == then_refreshed
        assert bool(lagging_shards(connection)) is load_goes_on
