"""Ringing for what the sequencer has placed."""

from collections.abc import Callable, Sequence

import psycopg
import pytest

from commands.dispatch import dispatch_many
from commands.doorbells.memory import MemoryDoorbell
from commands.event_log.read import shard_heads
from commands.event_log.sequence import sequence_pending
from commands.publishing import Bell, DoorbellUnreachable, publish_pending
from tests.fixtures.filings import NOW, RegisterCompanyFactory


class BrokenDoorbell:
    """Takes nothing."""

    def ring(self, bells: Sequence[Bell]) -> None:
        raise DoorbellUnreachable("nobody is in")


@pytest.fixture
def doorbell() -> MemoryDoorbell:
    return MemoryDoorbell()


def register(connection: psycopg.Connection, *, count: int) -> None:
    dispatch_many(connection, RegisterCompanyFactory.build_batch(count), now=NOW)
    sequence_pending(connection)


class TestPublishPending:
    def test_rings_once_for_each_shard_up_to_its_head(
        self, connection: psycopg.Connection, doorbell: MemoryDoorbell
    ) -> None:
        register(connection, count=30)

        rung = publish_pending(connection, doorbell)

        heads = {shard: head for shard, head in shard_heads(connection).items() if head.shard_seq}
        assert rung == len(heads)
        assert {bell.shard: (bell.to_seq, bell.to_position) for bell in doorbell.rung} == {
            shard: (head.shard_seq, head.position) for shard, head in heads.items()
        }

    def test_continues_where_the_last_bell_ended(
        self, connection: psycopg.Connection, doorbell: MemoryDoorbell
    ) -> None:
        register(connection, count=30)
        publish_pending(connection, doorbell)
        first = {bell.shard: bell for bell in doorbell.rung}
        doorbell.rung.clear()
        register(connection, count=30)

        publish_pending(connection, doorbell)

        assert all(
            bell.from_seq == (first[bell.shard].to_seq if bell.shard in first else 0) + 1 for bell in doorbell.rung
        )

    def test_is_silent_when_nothing_is_new(self, connection: psycopg.Connection, doorbell: MemoryDoorbell) -> None:
        register(connection, count=3)
        publish_pending(connection, doorbell)
        doorbell.rung.clear()

        assert publish_pending(connection, doorbell) == 0
        assert doorbell.rung == []

    def test_rings_again_for_what_the_queue_did_not_take(
        self, connection: psycopg.Connection, doorbell: MemoryDoorbell
    ) -> None:
        register(connection, count=3)
        with pytest.raises(DoorbellUnreachable):
            publish_pending(connection, BrokenDoorbell())

        assert publish_pending(connection, doorbell) > 0

    def test_leaves_a_shard_to_the_publisher_that_is_ringing_for_it(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection], doorbell: MemoryDoorbell
    ) -> None:
        register(connection, count=30)
        other = connect()

        with other.transaction():
            other.execute("select from events.publication for update")
            rung = publish_pending(connection, doorbell)

        assert rung == 0
        assert publish_pending(connection, doorbell) > 0
