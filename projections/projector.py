"""The one way events get into a projection: checkpoint, fold, commit."""

import time
from itertools import takewhile

import msgspec
import psycopg

from commands.event_log.read import read_shard
from commands.messages import RecordedEvent
from commands.sql import load_statements
from commands.tracing import Origin, record_span
from projections.catalog import PROJECTIONS
from projections.parking import fold_or_park, fold_strictly, is_paused
from projections.projection import NotMigrated, Projection, Version

_SQL = load_statements("projections", "projector.sql")

MAX_EVENTS = 2_000
MAX_BYTES = 4 * 1024 * 1024
"""A batch holds about a hundred thousand facts: large enough for set-based writes, small enough for memory."""

BATCH_SECONDS = 5.0
"""No batch is to take longer, going by the one before it: two thousand amendments of large companies take minutes."""

_HELD_SECONDS = 0.05
"""How long to wait for a worker that was stopped and whose connection the server has still to give up."""


class CatchUp(msgspec.Struct, frozen=True, kw_only=True):
    """
    How far a shard has come.

    `busy` says that another worker holds it and will go on by itself, `paused` that too many streams are parked.
    """

    reached_seq: int
    events: int
    busy: bool = False
    paused: bool = False


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
    This will fold a shard's events into the live version, from its checkpoint to the head of the log, in batches.

    Rows, dirty groups and checkpoint of a batch commit together, so that a crash at any step leaves a prefix. With
    `to_seq` there is nothing to do once that sequence number is reached. `deadline` is a `time.monotonic` instant after
    which no further batch is begun; `batch_events` bounds a batch, as `BATCH_SECONDS` does, and never changes what the
    tables hold.

    # Note [no lost wake-up]
    A caller that finds the shard held leaves at once. The holder asks for the head only after its transaction has
    ended: an event whose doorbell was answered "busy" was committed before that, so the holder sees it. Who has held
    the shard therefore goes on to the head, even where its own `to_seq` is reached: another's may not be.
    `tests/models/test_doorbells.py` tries all interleavings.

    # Note [which version is live]
    It is asked before each batch. A batch begun for a version that has just been retired is folded all the same: what
    it writes is a longer prefix of the log in tables nobody reads.
    """
    definition = PROJECTIONS[projection]
    folded = 0
    held = False
    while True:
        version, reached, head, parked = _lag(connection, definition, shard)
        if reached >= head or (to_seq is not None and reached >= to_seq and not held):
            return CatchUp(reached_seq=reached, events=folded)
        if is_paused(parked):
            return CatchUp(reached_seq=reached, events=folded, paused=True)
        if deadline is not None and time.monotonic() >= deadline:
            return CatchUp(reached_seq=reached, events=folded)
        count = _fold_batch(connection, definition, version, shard, batch_events)
        if count is None:
            return CatchUp(reached_seq=reached, events=folded, busy=True)
        folded += count
        held = True


def follow_version(
    connection: psycopg.Connection,
    *,
    version: Version,
    shard: int,
    up_to: int,
    park: bool,
    batch_events: int = MAX_EVENTS,
) -> None:
    """
    This will fold a shard's events into a version that is not live, up to sequence number `up_to` and not beyond.

    Raises:
        EventUnfoldable: without `park`, for an event that cannot be folded; what was folded before it stays.
    """
    definition = PROJECTIONS[version.name]
    while True:
        count = _fold_batch(connection, definition, version, shard, batch_events, up_to=up_to, park=park)
        if count == 0:
            return
        if count is None:
            time.sleep(_HELD_SECONDS)


def _ending_with_a_stream(events: list[RecordedEvent]) -> list[RecordedEvent]:
    """
    The events of a batch that was cut off, without those of its last stream where it holds others.

    What comes of a stream in one piece costs less than half of what it does in two.
    """
    last = events[-1].stream
    rest = sum(1 for _ in takewhile(lambda event: event.stream == last, reversed(events)))
    return events if rest == len(events) else events[:-rest]


def events_at_once(last_events: int, last_seconds: float) -> int:
    """This will say how many events to fold next, from what the batch before took: at most twice as many as it had."""
    if not last_events:
        return MAX_EVENTS
    growth = min(2.0, BATCH_SECONDS / last_seconds) if last_seconds else 2.0
    return max(1, int(last_events * growth))


def _first_of(events: list[RecordedEvent], count: int) -> list[RecordedEvent]:
    """So many of a batch's events, and those that follow of the same stream: a company in one piece stays in one."""
    if count >= len(events):
        return events
    last = events[count - 1].stream
    return [*events[:count], *takewhile(lambda event: event.stream == last, events[count:])]


def _lag(connection: psycopg.Connection, projection: Projection, shard: int) -> tuple[Version, int, int, int]:
    row = connection.execute(_SQL["lag"], {"name": projection.name, "shard": shard}).fetchone()
    if row is None:
        raise NotMigrated(f"the projection {projection.name} has no live shard {shard}")
    number, generation, reached, head, parked = row
    version = Version(name=projection.name, version=number, state="live", generation=generation)
    return version, reached, head, parked


def _fold_batch(
    connection: psycopg.Connection,
    projection: Projection,
    version: Version,
    shard: int,
    batch_events: int,
    *,
    up_to: int | None = None,
    park: bool = True,
) -> int | None:
    """Fold the next batch; None when another worker holds the shard."""
    key = {**version.key, "shard": shard}
    begun_ns = time.time_ns()
    with connection.transaction():
        taken = connection.execute(_SQL["take_checkpoint"], key).fetchone()
        if taken is None:
            return None
        after, last_events, last_seconds = taken
        most = batch_events if up_to is None else min(batch_events, up_to - after)
        events = read_shard(connection, shard=shard, after=after, max_events=most, max_bytes=MAX_BYTES)
        if not events:
            return 0
        if len(events) == most or sum(len(event.data) for event in events) >= MAX_BYTES:
            events = _ending_with_a_stream(events)
        events = _first_of(events, events_at_once(last_events, last_seconds))
        version.enter(connection)
        if park:
            fold_or_park(connection, projection, version, events)
        else:
            fold_strictly(connection, projection, events)
        last = events[-1]
        connection.execute(_SQL["move_checkpoint"], {**key, "shard_seq": last.shard_seq, "position": last.position})
    record_span(
        "catch_up",
        (Origin(event.traceparent, event.tracestate) for event in events),
        begun_ns=begun_ns,
        attributes={"factfold.projection": version.name, "factfold.shard": shard, "factfold.events": len(events)},
    )
    return len(events)
