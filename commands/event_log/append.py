"""
Appending to the log.

# Note [append order]

Ids must rise with the version inside a stream, because the sequencer places committed events in id order
(see Note [sequencer order]). So a writer first locks its stream rows, then checks versions, and only then
draws ids. The identity column keeps its default `CACHE 1`: a session that hoarded ids could hand out a small
one after another session's larger one. Locks are taken in sorted order, new streams before old ones, so two
writers never wait for each other. Nothing is notified inside the transaction: `NOTIFY` takes one lock for the
whole server at commit and costs ten times the throughput.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
import psycopg

from commands.errors import VersionConflict
from commands.sql import load_statements

_SQL = load_statements("commands.event_log", "append.sql")


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be appended; `data` is its JSON text in UTF-8, `meta` JSON that says where it came from."""

    stream: str
    type: str
    data: bytes
    schema_version: int = 1
    meta: str = "{}"


def lock_streams(
    connection: psycopg.Connection, streams: Collection[str], *, opening: Collection[str] = ()
) -> dict[str, int]:
    """
    This will lock streams until the surrounding transaction ends and return the version each stands at.

    Streams in `opening` are created where they do not exist; other unknown streams are left out of the result.
    """
    return ask_locks(connection, streams, opening=opening)()


def ask_locks(
    connection: psycopg.Connection, streams: Collection[str], *, opening: Collection[str] = ()
) -> Callable[[], dict[str, int]]:
    """
    This will ask for what `lock_streams` does; call what it returns to have the versions.

    In a pipeline what is asked after this is answered as it stands once the locks are held.
    """
    open_streams(connection, opening)
    rows = connection.execute(_SQL["lock_streams"], {"streams": sorted({*streams, *opening})})
    return lambda: dict(rows)


def open_streams(connection: psycopg.Connection, streams: Collection[str]) -> None:
    """This will create those of the streams that do not exist, each in the shard it belongs to for life."""
    if streams:
        connection.execute(_SQL["open_streams"], {"streams": sorted(set(streams))})


def check_version(stream: str, *, expected: int, actual: int) -> None:
    """
    This will pass when the stream stands at the version its writer has seen.

    Raises:
        VersionConflict: somebody else has written in between.
    """
    if actual != expected:
        raise VersionConflict(stream=stream, expected=expected, actual=actual)


def append_events(connection: psycopg.Connection, events: Sequence[NewEvent], *, heads: Mapping[str, int]) -> list[int]:
    """
    This will append events to streams locked by this transaction, which stand at the versions in `heads`, and return
    their ids in the same order.

    One statement writes the events, moves the streams' versions and queues the events for the sequencer.
    """
    if not events:
        return []
    next_version = dict(heads)
    versions: list[int] = []
    for event in events:
        next_version[event.stream] += 1
        versions.append(next_version[event.stream])
    rows = connection.execute(
        _SQL["insert_events"],
        {
            "streams": [event.stream for event in events],
            "versions": versions,
            "types": [event.type for event in events],
            "schema_versions": [event.schema_version for event in events],
            "data": [event.data.decode() for event in events],
            "sizes": [len(event.data) for event in events],
            "metas": [event.meta for event in events],
        },
    )
    return [event_id for (event_id,) in rows]


def append_at_version(connection: psycopg.Connection, event: NewEvent, *, expected: int) -> int:
    """
    This will append one event to an existing stream that stands at version `expected`, and return its id.

    One statement and one round trip, a transaction of its own where the connection is in none: for writers who know
    the version they decided on and hold no lock.

    Raises:
        VersionConflict: the stream stands at another version. Nothing was written and no id was drawn.
    """
    row = connection.execute(
        _SQL["append_at_version"],
        {
            "stream": event.stream,
            "expected": expected,
            "type": event.type,
            "schema_version": event.schema_version,
            "data": event.data.decode(),
            "size": len(event.data),
            "meta": event.meta,
        },
    ).fetchone()
    if row is None:
        found = connection.execute(_SQL["stream_version"], {"stream": event.stream}).fetchone()
        raise VersionConflict(stream=event.stream, expected=expected, actual=0 if found is None else int(found[0]))
    return int(row[0])
