"""What two or three sessions do to each other on the write side, interleaved by hand."""

from collections.abc import Callable

import psycopg
import pytest

from commands.errors import VersionConflict
from commands.event_log.append import NewEvent, append_at_version, append_events, lock_streams
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from commands.idempotency import once
from commands.sql import load_statements
from tests.fixtures.sessions import Session

type Connect = Callable[[], psycopg.Connection]

SEQUENCE = load_statements("commands.event_log", "sequence.sql")


def event(stream: str) -> NewEvent:
    return NewEvent(stream=stream, type="Tested", data=b"{}")


def append(connection: psycopg.Connection, stream: str) -> int:
    with connection.transaction():
        heads = lock_streams(connection, [stream], opening=[stream])
        (event_id,) = append_events(connection, [event(stream)], heads=heads)
    return event_id


def placed(connection: psycopg.Connection) -> list[tuple[int, str, int]]:
    return [(found.event_id, found.stream, found.version) for found in read_log(connection, after=0, max_events=99)]


@pytest.fixture
def second(connection: psycopg.Connection, connect: Connect) -> Session:
    return Session(connect(), observer=connection)


class TestTwoAppendsToOneStream:
    @pytest.fixture(autouse=True)
    def _open_stream(self, connection: psycopg.Connection) -> None:
        append(connection, "company-1")

    def test_the_second_waits_and_takes_the_next_version_and_a_larger_id(
        self, connection: psycopg.Connection, connect: Connect, second: Session
    ) -> None:
        first = connect()
        with first.transaction():
            first_id = append(first, "company-1")
            waiting = second.begin(lambda own: append(own, "company-1"))
            second.wait_until_blocked()

        second_id = waiting.result()

        assert first_id < second_id
        rows = connection.execute("select version from events.event where id >= %s order by id", [first_id]).fetchall()
        assert rows == [(2,), (3,)]

    def test_the_second_takes_the_version_the_first_gave_back(
        self, connection: psycopg.Connection, connect: Connect, second: Session
    ) -> None:
        first = connect()
        with first.transaction() as transaction:
            append(first, "company-1")
            waiting = second.begin(lambda own: append(own, "company-1"))
            second.wait_until_blocked()
            raise psycopg.Rollback(transaction)

        second_id = waiting.result()

        rows = connection.execute("select version from events.event where id = %s", [second_id]).fetchall()
        assert rows == [(2,)]

    def test_the_second_is_refused_where_it_expects_the_version_the_first_took(
        self, connection: psycopg.Connection, connect: Connect, second: Session
    ) -> None:
        first = connect()
        with first.transaction():
            append_at_version(first, event("company-1"), expected=1)
            drawn = connection.execute("select last_value from events.event_id_seq").fetchone()
            waiting = second.begin(lambda own: append_at_version(own, event("company-1"), expected=1))
            second.wait_until_blocked()

        with pytest.raises(VersionConflict):
            waiting.result()
        assert connection.execute("select last_value from events.event_id_seq").fetchone() == drawn

    def test_appends_to_other_streams_wait_for_nobody(self, connection: psycopg.Connection, connect: Connect) -> None:
        first = connect()

        with first.transaction():
            append(first, "company-1")
            append(connection, "company-2")
            append(connection, "company-3")


class TestTheSequencerAndAWriter:
    def test_an_event_that_commits_late_with_a_small_id_gets_a_later_position(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        late = connect()
        with late.transaction():
            small = append(late, "company-1")
            large = append(connection, "company-2")
            assert sequence_pending(connection) == 1
        assert sequence_pending(connection) == 1

        log = placed(connection)

        assert small < large
        assert log == [(large, "company-2", 1), (small, "company-1", 1)]

    def test_a_write_transaction_left_open_delays_nobody_else(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        append(connection, "company-1")
        idle = connect()
        with idle.transaction():
            append(idle, "company-9")
            # Older than anything below, and with a transaction id of its own.
            idle.execute("create temporary table open_for_minutes as select 1 as one")
            for stream in ("company-1", "company-2", "company-1"):
                append(connection, stream)

            assert sequence_pending(connection) == 4

        assert sequence_pending(connection) == 1

    def test_a_position_is_seen_only_with_every_one_before_it(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        append(connection, "company-1")
        sequencer = connect()
        with sequencer.transaction():
            sequence_pending(sequencer)
            append(connection, "company-2")
            assert placed(connection) == []
        seen = placed(connection)
        sequence_pending(connection)

        assert len(seen) == 1
        assert placed(connection)[:1] == seen


class TestTwoSequencers:
    def test_the_second_leaves_at_once_and_takes_over_where_the_first_fails(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        event_ids = [append(connection, "company-1"), append(connection, "company-2")]
        first = connect()
        with first.transaction() as transaction:
            assert sequence_pending(first) == 2
            assert sequence_pending(connection) == 0
            raise psycopg.Rollback(transaction)

        assert sequence_pending(connection) == 2
        assert [event_id for event_id, _, _ in placed(connection)] == event_ids

    def test_without_the_lock_the_key_still_keeps_every_event_to_one_position(
        self, connection: psycopg.Connection, connect: Connect, second: Session
    ) -> None:
        append(connection, "company-1")
        first = connect()
        with first.transaction():
            first.execute(SEQUENCE["sequence_pending"], {"limit": 1})
            append(connection, "company-2")
            waiting = second.begin(lambda own: own.execute(SEQUENCE["sequence_pending"], {"limit": 9}))
            second.wait_until_blocked()

        with pytest.raises(psycopg.errors.UniqueViolation):
            waiting.result()

        assert sequence_pending(connection) == 1
        assert [stream for _, stream, _ in placed(connection)] == ["company-1", "company-2"]


class TestTwoRequestsWithOneKey:
    def test_the_second_waits_and_gets_the_answer_of_the_first(
        self, connection: psycopg.Connection, connect: Connect, second: Session
    ) -> None:
        first = connect()
        with first.transaction():
            once(first, key="k", request_hash=b"h", status=202, work=lambda: '"first"')
            waiting = second.begin(
                lambda own: once(own, key="k", request_hash=b"h", status=202, work=lambda: '"second"')
            )
            second.wait_until_blocked()

        assert waiting.result() == '"first"'

    def test_the_second_does_the_work_where_the_first_gave_up(
        self, connection: psycopg.Connection, connect: Connect, second: Session
    ) -> None:
        first = connect()
        with first.transaction() as transaction:
            once(first, key="k", request_hash=b"h", status=202, work=lambda: '"first"')
            waiting = second.begin(
                lambda own: once(own, key="k", request_hash=b"h", status=202, work=lambda: '"second"')
            )
            second.wait_until_blocked()
            raise psycopg.Rollback(transaction)

        assert waiting.result() == '"second"'
