"""Reading the log in the order the sequencer gave it."""

import msgspec
import psycopg
from psycopg.rows import class_row

from commands.messages import RecordedEvent
from commands.sql import load_statements
from commands.tracing import MOST_LINKS, Origin

_EVENTS_LOOKED_AT = 1_000

_SQL = load_statements("commands.event_log", "read.sql")


class ShardHead(msgspec.Struct, frozen=True, kw_only=True):
    """The last event of a shard: its number inside the shard and its position in the whole log."""

    shard_seq: int
    position: int


def read_shard(
    connection: psycopg.Connection, *, shard: int, after: int, max_events: int, max_bytes: int
) -> list[RecordedEvent]:
    """
    This will read the events of a shard that follow shard sequence number `after`, in order and without a gap.

    A batch ends at `max_events` or once its events have reached `max_bytes` of JSON, whichever is first; where
    an event follows, the batch holds at least that one.
    """
    with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
        return cursor.execute(
            _SQL["read_shard"], {"shard": shard, "after": after, "max_events": max_events, "max_bytes": max_bytes}
        ).fetchall()


def read_log(connection: psycopg.Connection, *, after: int, max_events: int) -> list[RecordedEvent]:
    """This will read the events of the whole log that follow position `after`, in order and without a gap."""
    with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
        return cursor.execute(_SQL["read_log"], {"after": after, "max_events": max_events}).fetchall()


def read_origins(connection: psycopg.Connection, *, after: int, up_to: int) -> list[Origin]:
    """This will give the trace contexts of the newest events that follow position `after`, up to and with `up_to`."""
    looked_at = {"after": after, "up_to": up_to, "events": _EVENTS_LOOKED_AT, "most": MOST_LINKS}
    return [Origin(*row) for row in connection.execute(_SQL["origins"], looked_at)]


def shard_heads(connection: psycopg.Connection) -> dict[int, ShardHead]:
    """This will tell how far each shard reaches; a shard without events is left out."""
    rows = connection.execute(_SQL["shard_heads"])
    return {shard: ShardHead(shard_seq=shard_seq, position=position) for shard, shard_seq, position in rows}


def position_of(connection: psycopg.Connection, *, event_id: int) -> int | None:
    """This will return where an event stands in the log, or None while it is not sequenced."""
    row = connection.execute(_SQL["position_of"], {"event_id": event_id}).fetchone()
    return None if row is None else int(row[0])


def event_exists(connection: psycopg.Connection, *, event_id: int) -> bool:
    """This will say whether an event with this id was committed, sequenced or not."""
    row = connection.execute(_SQL["event_exists"], {"event_id": event_id}).fetchone()
    return row is not None and bool(row[0])


def pending_count(connection: psycopg.Connection) -> int:
    """This will count the committed events that wait for the sequencer."""
    row = connection.execute(_SQL["pending_count"]).fetchone()
    return 0 if row is None else int(row[0])
