"""A stream that cannot be folded is set aside, and goes on where it stopped."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import msgspec
import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis

from commands.companies.rename_company import RenameCompany
from commands.dispatch import dispatch_many
from commands.errors import CommandError
from commands.event_log.append import NewEvent, append_events, lock_streams
from commands.event_log.sequence import sequence_pending
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from projections.parking import Unparked, parked_streams, unpark
from projections.projector import catch_up
from projections.rebuild import Rebuild
from projections.status import read_status
from projections.sweeper import drain, lagging_shards, refresh_figures, utc_now
from projections.verify import verify
from tests.factories import duration, register_company, report_filing
from tests.fixtures.clean_database import clean_database
from tests.fixtures.waiting import wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCESSION = "0000000101-24-000001"


def dispatch_all(connection: psycopg.Connection, *commands: Command) -> None:
    outcomes = dispatch_many(connection, commands, now=NOW)
    assert not [outcome for outcome in outcomes if isinstance(outcome, CommandError)]


def poison(connection: psycopg.Connection, cik: int) -> None:
    """An event whose accession is no text."""
    stream = f"company-{cik}"
    with connection.transaction():
        heads = lock_streams(connection, {stream})
        event = NewEvent(stream=stream, type="CompanyRenamed", data=b'{"cik": %d, "name": 5}' % cik)
        append_events(connection, [event], heads=heads)


def mend(connection: psycopg.Connection, *, name: str = "Mended Inc.", only_first: bool = False) -> None:
    """What a release of the fold does: events that could not be read can be."""
    connection.execute(
        """
        update events.event set data = json_build_object('cik', data -> 'cik', 'name', %s::text)
        where id in (
            select id from events.event where type = 'CompanyRenamed' and data ->> 'name' = '5' order by id limit %s
        )
        """,
        (name, 1 if only_first else None),
    )


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many streams may be parked."""

    def set_limit(streams: int) -> None:
        changed = {field: getattr(settings.FACTFOLD, field) for field in settings.FACTFOLD.__dataclass_fields__}
        limited = type(settings.FACTFOLD)(**{**changed, "max_parked_streams": streams})
        monkeypatch.setattr(settings, "FACTFOLD", limited)

    return set_limit


class TestUnpark:
    @pytest.fixture(autouse=True)
    def _parked_company(self, connection: psycopg.Connection, redis: Redis) -> None:
        dispatch_all(connection, register_company(cik=101, name="First"), register_company(cik=102))
        poison(connection, 101)
        dispatch_all(
            connection,
            report_filing(cik=101, accession=ACCESSION),
            RenameCompany(cik=101, name="Last"),
            report_filing(cik=102),
        )
        drain(connection, redis)

    def test_folds_what_waited_in_its_order(self, connection: psycopg.Connection, redis: Redis) -> None:
        mend(connection)

        outcome = unpark(connection, projection="figures")
        refresh_figures(connection, redis)

        assert outcome == [Unparked(stream="company-101", folded=3)]
        assert parked_streams(connection) == []
        assert connection.execute("select name_as_filed from figures_v1.company where cik = 101").fetchone() == (
            "Last",
        )
        assert connection.execute("select parked from figures_v1.freshness").fetchone() == (0,)
        verify(connection, redis)

    def test_keeps_a_stream_that_fails_again_with_its_newest_error(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        (before,) = parked_streams(connection)

        (outcome,) = unpark(connection, projection="figures", streams=["company-101", "company-102"])

        (after,) = parked_streams(connection)
        assert (outcome.folded, outcome.error) == (0, after.error)
        assert "Expected `str`, got `int`" in after.error
        assert (before.attempts, after.attempts, after.events) == (1, 2, 3)
        assert after.parked_at > before.parked_at
        verify(connection, redis)

    def test_folds_as_far_as_it_can(self, connection: psycopg.Connection, redis: Redis) -> None:
        poison(connection, 101)
        dispatch_all(connection, RenameCompany(cik=101, name="Behind both"))
        drain(connection, redis)
        mend(connection, only_first=True)

        (outcome,) = unpark(connection, projection="figures")
        refresh_figures(connection, redis)

        (parked,) = parked_streams(connection)
        assert (outcome.folded, parked.events, parked.attempts) == (3, 2, 1)
        assert connection.execute("select name_as_filed from figures_v1.company where cik = 101").fetchone() == (
            "Last",
        )
        verify(connection, redis)

    def test_folds_in_the_version_that_is_live_once_it_has_its_turn(
        self, connection: psycopg.Connection, database_url: str, connect: Callable[[], psycopg.Connection]
    ) -> None:
        rebuild = Rebuild(database_url, projection="figures", clock=utc_now, park=True)
        rebuild.run(accept_differences=True)
        rebuild.roll_back()
        mend(connection)
        switching, unparking = connect(), connect()
        held_by = unparking.info.backend_pid
        with ThreadPoolExecutor() as pool:
            with switching.transaction():
                switching.execute("select from projections.checkpoint where version = 1 for update")
                outcome = pool.submit(unpark, unparking, projection="figures")
                wait_until(
                    lambda: connection.execute("select cardinality(pg_blocking_pids(%s))", [held_by]).fetchone() != (0,)
                )
                switching.execute("update projections.projection set state = 'retired' where version = 1")
                switching.execute("update projections.projection set state = 'live' where version = 2")
            done = outcome.result()
        left = connection.execute("select distinct version from projections.parked").fetchall()
        rebuild.roll_back()
        rebuild.drop_retired()

        assert done == [Unparked(stream="company-101", folded=3)]
        assert left == [(1,)]

    def test_no_event_overtakes_while_it_works(
        self, connection: psycopg.Connection, redis: Redis, connect: Callable[[], psycopg.Connection]
    ) -> None:
        mend(connection)
        dispatch_all(connection, RenameCompany(cik=101, name="Newest"))
        sequence_pending(connection)
        (shard,) = lagging_shards(connection)
        projector = connect()

        class Overtaking(psycopg.Connection):
            """Lets a projector try the shard in the middle of the work."""

            def execute(self, query: Any, params: Any = None, **named: Any) -> Any:
                done = super().execute(query, params, **named)
                if b"delete from projections.parked" in query:
                    tries.append(catch_up(projector, projection="figures", shard=shard))
                return done

        tries: list[Any] = []
        with Overtaking.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as own:
            unpark(own, projection="figures")
        drain(connection, redis)

        assert [found.busy for found in tries] == [True]
        assert connection.execute("select name_as_filed from figures_v1.company where cik = 101").fetchone() == (
            "Newest",
        )
        verify(connection, redis)


class TestCommands:
    def test_parked_and_unpark_tell_what_they_do(self, connection: psycopg.Connection, redis: Redis) -> None:
        dispatch_all(connection, register_company(cik=101))
        poison(connection, 101)
        drain(connection, redis)
        told, listed, failed, mended, empty = (StringIO() for _ in range(5))

        call_command("parked", stdout=told)
        call_command("parked", "--json", stdout=listed)
        with pytest.raises(SystemExit):
            call_command("unpark", "company-101", "company-7", stdout=failed)
        mend(connection)
        call_command("unpark", "--all", stdout=mended)
        call_command("parked", stdout=empty)

        assert "company-101  figures v1, from position 2, 1 events, tried 1 times" in told.getvalue()
        (stream,) = json.loads(listed.getvalue())
        assert (stream["stream"], stream["position"], stream["attempts"]) == ("company-101", 2, 1)
        assert "company-101  figures: 0 events folded, parked again: ValidationError" in failed.getvalue()
        assert "company-7  figures: is not parked" in failed.getvalue()
        assert mended.getvalue() == "company-101  figures: 1 events folded\n"
        assert empty.getvalue() == "nothing is parked\n"
        assert connection.execute("select parked from figures_v1.freshness").fetchone() == (0,)
        verify(connection, redis)


class TestTooManyParked:
    def test_stops_the_projection_until_enough_are_folded_again(
        self, connection: psycopg.Connection, redis: Redis, limit: Callable[[int], None]
    ) -> None:
        limit(2)
        dispatch_all(connection, *(register_company(cik=cik) for cik in (101, 102, 103)))
        poison(connection, 101)
        poison(connection, 102)
        drain(connection, redis)

        dispatch_all(connection, report_filing(cik=103))
        drain(connection, redis)
        paused = read_status(connection, redis)
        (shard,) = lagging_shards(connection)
        stopped = catch_up(connection, projection="figures", shard=shard)
        mend(connection)
        unpark(connection, projection="figures", streams=["company-101"])
        drain(connection, redis)

        assert (paused.paused, stopped.paused, stopped.events) == (True, True, 0)
        assert not read_status(connection, redis).paused
        assert connection.execute("select cik from figures_v1.filing").fetchall() == [(103,)]
        verify(connection, redis)


years = st.integers(2021, 2024)
steps = st.one_of(
    st.just("poison"),
    st.just("mend and unpark"),
    st.just("unpark"),
    st.builds(
        lambda year, value, number: report_filing(
            cik=101,
            accession=f"0000000101-24-{number:06d}",
            filed_on=date(2025, 1, 1),
            facts=(duration("us-gaap:Revenues", f"{year}-01-01", f"{year}-12-31", str(value)),),
        ),
        years,
        st.integers(1, 9),
        st.integers(1, 3),
    ),
    st.builds(lambda name: RenameCompany(cik=101, name=name), st.sampled_from(["A", "B"])),
    st.just(WithdrawFiling(cik=101, accession=ACCESSION, reason="in error", withdrawn_at=NOW)),
)


class TestAnyHistory:
    @hypothesis_settings(
        max_examples=15, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(history=st.lists(steps, min_size=4, max_size=12))
    def test_the_tables_equal_a_plain_fold_before_and_after_unparking(
        self, connection: psycopg.Connection, redis: Redis, history: list[Command | str]
    ) -> None:
        clean_database(connection)
        redis.flushall()
        dispatch_all(connection, register_company(cik=101), register_company(cik=102))

        for step in history:
            if step == "poison":
                poison(connection, 101)
            elif isinstance(step, msgspec.Struct):
                dispatch_many(connection, [step], now=NOW)
            elif step == "mend and unpark":
                mend(connection)
                unpark(connection, projection="figures")
            else:
                unpark(connection, projection="figures")
            drain(connection, redis)
            verify(connection, redis)
        mend(connection)
        unpark(connection, projection="figures")
        drain(connection, redis)

        assert parked_streams(connection) == []
        verify(connection, redis)
