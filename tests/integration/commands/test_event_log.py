"""The log under concurrent writers, on a real database."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import psycopg
import pytest

from commands.errors import VersionConflict
from commands.event_log.append import NewEvent, append_at_version, append_events, lock_streams
from commands.event_log.read import pending_count, read_log, read_shard, shard_heads
from commands.event_log.sequence import sequence_pending
from commands.messages import RecordedEvent
from tests.fixtures.waiting import wait_until

type Connect = Callable[[], psycopg.Connection]

EVERYTHING = 1_000_000


def append(connection: psycopg.Connection, streams: Sequence[str], *, padding: int = 0) -> list[int]:
    """One transaction with an event for each entry of `streams`."""
    with connection.transaction():
        heads = lock_streams(connection, streams, opening=streams)
        data = b'"' + b"x" * padding + b'"'
        return append_events(
            connection, [NewEvent(stream=stream, type="Tested", data=data) for stream in streams], heads=heads
        )


def assert_nothing_skipped_nothing_swapped(log: Sequence[RecordedEvent], *, event_ids: set[int]) -> None:
    versions: dict[str, int] = defaultdict(int)
    shard_seqs: dict[int, int] = defaultdict(int)
    assert [event.position for event in log] == list(range(1, len(event_ids) + 1))
    assert {event.event_id for event in log} == event_ids
    for event in log:
        versions[event.stream] += 1
        shard_seqs[event.shard] += 1
        assert event.version == versions[event.stream]
        assert event.shard_seq == shard_seqs[event.shard]


@contextmanager
def sequencers(connect: Connect, *, count: int) -> Iterator[None]:
    """Sequencers that run until the block ends, and then until nothing is pending."""
    stopping = threading.Event()
    failures: list[BaseException] = []

    def run(connection: psycopg.Connection) -> None:
        try:
            while sequence_pending(connection, limit=7) or not stopping.is_set():
                stopping.wait(0.001)
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=run, args=[connect()]) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert failures == []


def write_concurrently(connect: Connect, *, writers: int, transactions: int, streams: int) -> set[int]:
    """Writers of one to three events at a time to random streams; every fifth transaction rolls back."""
    committed: list[list[int]] = [[] for _ in range(writers)]

    def write(number: int, connection: psycopg.Connection) -> None:
        random = Random(number)
        for index in range(transactions):
            chosen = [f"company-{random.randrange(streams)}" for _ in range(random.randint(1, 3))]
            with connection.transaction() as transaction:
                event_ids = append(connection, chosen)
                if index % 5 == 4:
                    raise psycopg.Rollback(transaction)
                committed[number].extend(event_ids)

    threads = [threading.Thread(target=write, args=[number, connect()]) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {event_id for event_ids in committed for event_id in event_ids}


def sequence_and_die(connection: psycopg.Connection, *, killer: psycopg.Connection) -> None:
    """A sequencer whose session is ended between its statement and its commit."""
    with connection.transaction():
        sequence_pending(connection)
        killer.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
        connection.execute("select 1")


class TestConcurrentWriters:
    @pytest.mark.parametrize("running", [1, 3])
    def test_eight_of_them_nothing_is_skipped_nothing_swapped(
        self, connection: psycopg.Connection, connect: Connect, running: int
    ) -> None:
        with sequencers(connect, count=running):
            event_ids = write_concurrently(connect, writers=8, transactions=40, streams=12)
        while sequence_pending(connection):
            pass

        log = read_log(connection, after=0, max_events=EVERYTHING)

        assert_nothing_skipped_nothing_swapped(log, event_ids=event_ids)

    def test_a_transaction_left_open_delays_only_its_own_events(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        slow = connect()
        with slow.transaction():
            delayed = append(slow, ["company-slow"])
            with sequencers(connect, count=1):
                event_ids = write_concurrently(connect, writers=4, transactions=10, streams=4)
            seen_meanwhile = read_log(connection, after=0, max_events=EVERYTHING)
        sequence_pending(connection)

        log = read_log(connection, after=0, max_events=EVERYTHING)

        assert {event.event_id for event in seen_meanwhile} == event_ids
        assert min(delayed) < min(event_ids)
        assert log[: len(seen_meanwhile)] == seen_meanwhile
        assert_nothing_skipped_nothing_swapped(log, event_ids=event_ids | set(delayed))

    def test_many_streams_in_any_order_never_deadlock(self, connection: psycopg.Connection, connect: Connect) -> None:
        def write(number: int, writer: psycopg.Connection) -> None:
            random = Random(number)
            streams = [f"company-{index}" for index in range(10)]
            for _ in range(20):
                random.shuffle(streams)
                append(writer, streams)

        threads = [threading.Thread(target=write, args=[number, connect()]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert pending_count(connection) == 4 * 20 * 10


class TestSequencer:
    def test_that_is_killed_leaves_everything_for_the_next(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        event_ids = set(append(connection, ["company-1", "company-2", "company-1"]))
        killed = connect()
        with pytest.raises(psycopg.OperationalError):
            sequence_and_die(killed, killer=connection)
        wait_until(lambda: sequence_pending(connection))

        log = read_log(connection, after=0, max_events=EVERYTHING)

        assert_nothing_skipped_nothing_swapped(log, event_ids=event_ids)

    def test_leaves_the_work_to_the_one_that_is_at_it(self, connection: psycopg.Connection, connect: Connect) -> None:
        append(connection, ["company-1"])
        other = connect()

        with other.transaction():
            sequence_pending(other)

            assert sequence_pending(connection) == 0

    def test_places_at_most_as_many_as_asked(self, connection: psycopg.Connection) -> None:
        append(connection, ["company-1"] * 5)

        placed = [sequence_pending(connection, limit=2) for _ in range(4)]

        assert placed == [2, 2, 1, 0]

    def test_does_not_see_what_is_not_committed(self, connection: psycopg.Connection, connect: Connect) -> None:
        writer = connect()

        with writer.transaction():
            append(writer, ["company-1"])

            assert sequence_pending(connection) == 0


class TestAppend:
    def test_gives_ids_in_the_order_of_the_events(self, connection: psycopg.Connection) -> None:
        streams = ["company-2", "company-1", "company-2", "company-3"]

        event_ids = append(connection, streams)

        rows = connection.execute("select id, stream, version from events.event order by id").fetchall()
        assert [(event_id, stream) for event_id, stream, _ in rows] == list(zip(event_ids, streams, strict=True))
        assert [version for _, _, version in rows] == [1, 1, 2, 1]

    def test_does_not_open_a_stream_that_was_not_asked_for(self, connection: psycopg.Connection) -> None:
        with connection.transaction():
            assert lock_streams(connection, ["company-404"]) == {}

        assert connection.execute("select count(*) from events.stream").fetchone() == (0,)


class TestAppendAtVersion:
    def test_continues_the_stream(self, connection: psycopg.Connection) -> None:
        append(connection, ["company-1"])

        append_at_version(connection, NewEvent(stream="company-1", type="Tested", data=b"{}"), expected=1)

        sequence_pending(connection)
        assert [event.version for event in read_log(connection, after=0, max_events=9)] == [1, 2]

    @pytest.mark.parametrize("stream", ["company-1", "company-404"])
    def test_draws_no_id_when_the_version_is_another(self, connection: psycopg.Connection, stream: str) -> None:
        append(connection, ["company-1"])
        before = connection.execute("select last_value from events.event_id_seq").fetchone()
        event = NewEvent(stream=stream, type="Tested", data=b"{}")

        with pytest.raises(VersionConflict):
            append_at_version(connection, event, expected=7)

        assert connection.execute("select last_value from events.event_id_seq").fetchone() == before

    def test_by_eight_at_once_one_wins_each_version_and_nothing_is_swapped(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        event_ids = set(append(connection, ["company-1"]))

        def write(writer: psycopg.Connection, won: list[int]) -> None:
            version = 1
            while version < 30:
                event = NewEvent(stream="company-1", type="Tested", data=b"{}")
                try:
                    won.append(append_at_version(writer, event, expected=version))
                    version += 1
                except VersionConflict as conflict:
                    version = int(conflict.message.split("version ")[1].split(",")[0])

        won: list[list[int]] = [[] for _ in range(8)]
        threads = [threading.Thread(target=write, args=[connect(), mine]) for mine in won]
        with sequencers(connect, count=1):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        while sequence_pending(connection):
            pass

        event_ids |= {event_id for mine in won for event_id in mine}
        assert_nothing_skipped_nothing_swapped(
            read_log(connection, after=0, max_events=EVERYTHING), event_ids=event_ids
        )


class TestReadShard:
    def test_reads_every_event_of_the_shard_once_in_batches_of_any_size(self, connection: psycopg.Connection) -> None:
        append(connection, ["company-1"] * 10, padding=100)
        sequence_pending(connection)
        ((shard, head),) = [item for item in shard_heads(connection).items() if item[1].shard_seq]

        for max_events, max_bytes in ((1, EVERYTHING), (3, EVERYTHING), (EVERYTHING, 250), (EVERYTHING, 1)):
            read: list[RecordedEvent] = []
            while batch := read_shard(
                connection,
                shard=shard,
                after=read[-1].shard_seq if read else 0,
                max_events=max_events,
                max_bytes=max_bytes,
            ):
                assert len(batch) <= max_events
                assert sum(len(event.data) for event in batch[:-1]) < max_bytes
                read.extend(batch)

            assert [event.shard_seq for event in read] == list(range(1, 11))
        assert head.position == 10
