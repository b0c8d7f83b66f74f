"""
Events that cannot be folded.

A live projection parks the stream of such an event: that event and those behind it wait in `projections.parked`, in
order, while all other streams go on. A stream is folded again when `unpark` is asked to, after its cause is mended.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import psycopg
from django.conf import settings
from psycopg.rows import class_row

from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from projections.projection import Projection, Version, live_version

_SQL = load_statements("projections", "parking.sql")

_WAITING_BEHIND = "waits behind an earlier parked event of its stream"
_UNPARK_BYTES = 4 * 1024 * 1024


class EventUnfoldable(Exception):
    """An event that cannot be folded where none may be set aside. Mend the fold, or allow parking."""

    def __init__(self, *, event: RecordedEvent, error: str) -> None:
        self.event = event
        self.error = error
        super().__init__(
            f"event {event.type} at position {event.position}, version {event.version} of {event.stream}, "
            f"cannot be folded: {error}"
        )


class ParkedStream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream a projection has set aside: where it failed, how often and why, and how many of its events wait."""

    name: str
    version: int
    stream: str
    position: int
    events: int
    attempts: int
    parked_at: datetime
    error: str


class Unparked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a stream's parked events; `error` is None where none of them is parked any more."""

    stream: str
    folded: int
    error: str | None = None


def parked_streams(connection: psycopg.Connection) -> list[ParkedStream]:
    """This will list what is parked in every version that is live or being built."""
    with connection.cursor(row_factory=class_row(ParkedStream)) as cursor:
        return cursor.execute(_SQL["parked"]).fetchall()


def is_paused(parked: int) -> bool:
    """Whether so many streams are parked that the fault is not theirs: then nothing more is folded."""
    return bool(parked) and parked >= settings.FACTFOLD.max_parked_streams


def fold_or_park(
    connection: psycopg.Connection, projection: Projection, version: Version, events: Sequence[RecordedEvent]
) -> None:
    """This will fold events of one shard and set aside the streams of those that cannot be folded."""
    streams = sorted({event.stream for event in events})
    rows = connection.execute(_SQL["parked_among"], {**version.key, "streams": streams})
    parked = {stream for (stream,) in rows}
    _set_aside(connection, version, [event for event in events if event.stream in parked])
    active = [event for event in events if event.stream not in parked]
    if not active or _try_fold(connection, projection, active) is None:
        return
    for stream in sorted({event.stream for event in active}):
        of_stream = [event for event in active if event.stream == stream]
        folded, failure = _fold_one_by_one(connection, projection, of_stream)
        if failure is not None:
            _set_aside(connection, version, of_stream[folded:], error=failure)


def fold_strictly(connection: psycopg.Connection, projection: Projection, events: Sequence[RecordedEvent]) -> None:
    """
    This will fold events of one shard.

    Raises:
        EventUnfoldable: the first of them that cannot be folded; the caller's transaction has to be given up.
    """
    if _try_fold(connection, projection, events) is None:
        return
    for stream in sorted({event.stream for event in events}):
        of_stream = [event for event in events if event.stream == stream]
        folded, failure = _fold_one_by_one(connection, projection, of_stream)
        if failure is not None:
            raise EventUnfoldable(event=of_stream[folded], error=failure)


def unpark(connection: psycopg.Connection, *, projection: str, streams: Sequence[str] | None = None) -> list[Unparked]:
    """
    This will fold the parked events of streams (without `streams`: of all) of the live version, each in its order.

    A stream whose events fail again stays parked from the first that fails, with its newest error. Each stream is a
    transaction that holds its shard's checkpoint, so that no event that comes in meanwhile overtakes a parked one.
    Group aggregates and Redis follow at the next refresh.
    """
    live = live_version(connection, projection).version
    parked = [row.stream for row in parked_streams(connection) if (row.name, row.version) == (projection, live)]
    wanted = parked if streams is None else list(dict.fromkeys(streams))
    return [_unpark_stream(connection, PROJECTIONS[projection], stream) for stream in wanted if stream in parked]


def _unpark_stream(connection: psycopg.Connection, projection: Projection, stream: str) -> Unparked:
    folded = 0
    with connection.transaction():
        version = _held_live_version(connection, projection.name, stream)
        parameters = {**version.key, "stream": stream}
        version.enter(connection)
        while events := _parked_events(connection, parameters):
            count, failure = len(events), None
            if _try_fold(connection, projection, events) is not None:
                count, failure = _fold_one_by_one(connection, projection, events)
            folded += count
            done = [event.position for event in events[:count]]
            connection.execute(_SQL["remove"], {**version.key, "positions": done})
            if failure is not None:
                again = {**version.key, "position": events[count].position, "error": failure}
                connection.execute(_SQL["failed_again"], again)
                return Unparked(stream=stream, folded=folded, error=failure)
    return Unparked(stream=stream, folded=folded)


def _held_live_version(connection: psycopg.Connection, projection: str, stream: str) -> Version:
    """The live version, once the checkpoint of a stream's shard is held: another may be by then."""
    while True:
        version = live_version(connection, projection)
        connection.execute(_SQL["hold_checkpoint"], {**version.key, "stream": stream})
        if live_version(connection, projection) == version:
            return version


def _parked_events(connection: psycopg.Connection, parameters: dict[str, str | int]) -> list[RecordedEvent]:
    with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
        return cursor.execute(_SQL["parked_events"], {**parameters, "max_bytes": _UNPARK_BYTES}).fetchall()


def _fold_one_by_one(
    connection: psycopg.Connection, projection: Projection, events: Sequence[RecordedEvent]
) -> tuple[int, str | None]:
    """How many of a stream's events could be folded, and why the next one could not."""
    for index, event in enumerate(events):
        failure = _try_fold(connection, projection, [event])
        if failure is not None:
            return index, f"{type(failure).__name__}: {failure}"
    return len(events), None


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


def _set_aside(
    connection: psycopg.Connection, version: Version, events: Sequence[RecordedEvent], *, error: str | None = None
) -> None:
    """Park events; `error` is that of the first, where it is the one that failed."""
    if events:
        behind = len(events) - 1 if error else len(events)
        connection.execute(
            _SQL["park"],
            {
                **version.key,
                "position": [event.position for event in events],
                "stream": [event.stream for event in events],
                "error": [*([error] if error else []), *[_WAITING_BEHIND] * behind],
                "attempts": [*([1] if error else []), *[0] * behind],
            },
        )
