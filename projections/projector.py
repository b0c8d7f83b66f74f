"""The one way events get into a projection: checkpoint, fold, commit."""

import time
from collections.abc import Sequence

import msgspec
import psycopg
from psycopg import sql

from commands.event_log.read import read_shard
from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from projections.projection import Projection

_SQL = load_statements("projections", "projector.sql")

MAX_EVENTS = 2_000
MAX_BYTES = 4 * 1024 * 1024
"""A batch holds about a hundred thousand facts: large enough for set-based writes, small enough for memory."""

_WAITING_BEHIND = "waits behind an earlier parked event of its stream"


class CatchUp(msgspec.Struct, frozen=True, kw_only=True):
    """How far a shard has come. `busy` says that another worker holds it and will go on by itself."""

    reached_seq: int
    events: int
    busy: bool


def catch_up(
    connection: psycopg.Connection,
    *,
    projection: str,
    shard: int,
    to_seq: int | None = None,
    deadline: float | None = None,
    batch_events: int = MAX_EVENTS,
) -> CatchUp:
    """
    This will fold a shard's events from its checkpoint to the head of the log, batch after batch.

    Rows, dirty groups and checkpoint of a batch commit together, so that a crash at any step leaves a prefix. With
    `to_seq` there is nothing to do once that sequence number is reached. `deadline` is a `time.monotonic` instant after
    which no further batch is begun; `batch_events` bounds a batch and never changes what the tables hold.

    # Note [no lost wake-up]
    A caller that finds the shard held leaves at once. The holder asks for the head only after its transaction has
    ended: an event whose doorbell was answered "busy" was committed before that, so the holder sees it. Who has held
    the shard therefore goes on to the head, even where its own `to_seq` is reached: another's may not be.
    `tests/models/test_doorbells.py` tries all interleavings.
    """
    definition = PROJECTIONS[projection]
    folded = 0
    held = False
    while True:
        reached, head = _lag(connection, definition, shard)
        if reached >= head or (to_seq is not None and reached >= to_seq and not held):
            return CatchUp(reached_seq=reached, events=folded, busy=False)
        if deadline is not None and time.monotonic() >= deadline:
            return CatchUp(reached_seq=reached, events=folded, busy=False)
        count = _fold_batch(connection, definition, shard, batch_events)
        if count is None:
            return CatchUp(reached_seq=reached, events=folded, busy=True)
        folded += count
        held = True


def _lag(connection: psycopg.Connection, projection: Projection, shard: int) -> tuple[int, int]:
    row = connection.execute(
        _SQL["lag"], {"name": projection.name, "version": projection.version, "shard": shard}
    ).fetchone()
    if row is None:
        raise LookupError(f"projection {projection.name} v{projection.version} has no shard {shard}; run migrate")
    reached, head = row
    return reached, head


def _fold_batch(connection: psycopg.Connection, projection: Projection, shard: int, batch_events: int) -> int | None:
    """Fold the next batch; None when another worker holds the shard."""
    key = {"name": projection.name, "version": projection.version, "shard": shard}
    with connection.transaction():
        taken = connection.execute(_SQL["take_checkpoint"], key).fetchone()
        if taken is None:
            return None
        events = read_shard(connection, shard=shard, after=taken[0], max_events=batch_events, max_bytes=MAX_BYTES)
        if not events:
            return 0
        connection.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(projection.schema)))
        _fold_or_park(connection, projection, events)
        last = events[-1]
        connection.execute(_SQL["move_checkpoint"], {**key, "shard_seq": last.shard_seq, "position": last.position})
    return len(events)


def _fold_or_park(connection: psycopg.Connection, projection: Projection, events: Sequence[RecordedEvent]) -> None:
    streams = sorted({event.stream for event in events})
    parameters = {"name": projection.name, "version": projection.version, "streams": streams}
    parked = {stream for (stream,) in connection.execute(_SQL["parked_streams"], parameters)}
    waiting = [event for event in events if event.stream in parked]
    _park(connection, projection, waiting, _WAITING_BEHIND)
    active = [event for event in events if event.stream not in parked]
    if not active or _try_fold(connection, projection, active) is None:
        return
    for stream in sorted({event.stream for event in active}):
        _fold_stream_or_park(connection, projection, [event for event in active if event.stream == stream])


def _fold_stream_or_park(
    connection: psycopg.Connection, projection: Projection, events: Sequence[RecordedEvent]
) -> None:
    """Fold one stream's events one by one up to the first that fails; park that one and those behind it."""
    for index, event in enumerate(events):
        failure = _try_fold(connection, projection, [event])
        if failure is not None:
            _park(connection, projection, [event], f"{type(failure).__name__}: {failure}")
            _park(connection, projection, events[index + 1 :], _WAITING_BEHIND)
            return


def _try_fold(
    connection: psycopg.Connection, projection: Projection, events: Sequence[RecordedEvent]
) -> Exception | None:
    try:
        with connection.transaction():
            projection.fold(connection, events)
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except Exception as error:  # whatever an event breaks, only its own stream may stop
        return error
    return None


def _park(connection: psycopg.Connection, projection: Projection, events: Sequence[RecordedEvent], error: str) -> None:
    if events:
        connection.execute(
            _SQL["park"],
            {
                "name": projection.name,
                "version": projection.version,
                "position": [event.position for event in events],
                "stream": [event.stream for event in events],
                "error": [error] * len(events),
            },
        )
