"""
Folding the log into a version that is being built.

# Note [stream by stream]
Each shard is folded one stream after the other, up to where the live version stood in it at the start: a stream's
events, and only those, decide what its company's rows are, so their order among other streams does not matter, and a
company met for the first time needs nothing read back. Then the checkpoint is set to that place, and the version
follows the log as any other. What was folded and how far that is commit together: whatever stops it, it goes on there.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import psycopg
from psycopg.rows import class_row

from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from projections.parking import fold_or_park, fold_strictly
from projections.processes import APPLICATION_NAME
from projections.projection import Version
from projections.projector import MAX_BYTES, follow_version

_SQL = load_statements("projections", "shard_building.sql")

_BATCH_BYTES = 1024 * 1024
"""As many companies are folded together: little is lost by a kill, and progress is told often."""

_MAX_STREAM_BYTES = 4 * MAX_BYTES
"""A company is folded at once up to this size: what is folded in slices has to be read back between them."""


class ShardTask(msgspec.Struct, frozen=True, kw_only=True):
    """
    One shard to be folded: from the start to where the live version stood, or, with `up_to`, following the log.

    `park` sets streams aside that cannot be folded; without it the first such event ends the work.
    """

    database_url: str
    version: Version
    shard: int
    up_to: int | None
    park: bool
    batch_events: int


class ShardIncomplete(Exception):
    """The events found stream by stream are not those the log has in the shard: the log is damaged."""


def fold_shard(task: ShardTask, *, told: Callable[[], None] = lambda: None) -> None:
    """
    This will do one task from where it was left. `told` is called after each batch.

    Raises:
        EventUnfoldable: the first event found that cannot be folded.
        ShardIncomplete: the log does not hold what it should.
    """
    with psycopg.connect(task.database_url, autocommit=True, application_name=APPLICATION_NAME) as connection:
        # A lost commit is a batch to be folded again.
        connection.execute("set synchronous_commit = off")
        if task.up_to is None:
            _fold_streams(connection, task, told)
        else:
            follow_version(
                connection,
                version=task.version,
                shard=task.shard,
                up_to=task.up_to,
                park=task.park,
                batch_events=task.batch_events,
            )


def _fold_streams(connection: psycopg.Connection, task: ShardTask, told: Callable[[], None]) -> None:
    connection.execute(_SQL["keep_dirty_cells_apart"])
    key = {**task.version.key, "shard": task.shard}
    building = connection.execute(_SQL["building"], key).fetchone()
    if building is None:
        return
    to_seq, stream = building
    for streams in _packed(connection, task, stream):
        while _fold_next(connection, task, streams, to_seq):
            told()
    if not connection.execute(_SQL["end_building"], key).rowcount:
        raise ShardIncomplete(f"the streams of shard {task.shard} do not hold its {to_seq:,} events; see `verify`")


def _packed(connection: psycopg.Connection, task: ShardTask, from_stream: str) -> Iterator[list[str]]:
    """The streams of a shard in order, as many together as make a batch."""
    parameters = {"shard": task.shard, "stream": from_stream}
    streams: list[str] = []
    bytes_packed = events_packed = 0
    for stream, size, events in connection.execute(_SQL["stream_sizes"], parameters).fetchall():
        if streams and (bytes_packed + size > _BATCH_BYTES or events_packed + events > task.batch_events):
            yield streams
            streams, bytes_packed, events_packed = [], 0, 0
        streams.append(stream)
        bytes_packed += size
        events_packed += events
    if streams:
        yield streams


def _fold_next(connection: psycopg.Connection, task: ShardTask, streams: Sequence[str], to_seq: int) -> bool:
    """Fold the next batch of these streams; False when nothing of them is left."""
    key = {**task.version.key, "shard": task.shard}
    with connection.transaction():
        place = connection.execute(_SQL["take_building"], key).fetchone()
        if place is None:
            return False
        with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
            events = cursor.execute(
                _SQL["events_of_streams"],
                {
                    "streams": list(streams),
                    "to_seq": to_seq,
                    "stream": place[0],
                    "stream_version": place[1],
                    "max_events": task.batch_events,
                    "max_bytes": _MAX_STREAM_BYTES,
                },
            ).fetchall()
        if not events:
            return False
        task.version.enter(connection)
        projection = PROJECTIONS[task.version.name]
        if task.park:
            fold_or_park(connection, projection, task.version, events)
        else:
            fold_strictly(connection, projection, events)
        last = events[-1]
        moved = {**key, "stream": last.stream, "stream_version": last.version, "folded": len(events)}
        connection.execute(_SQL["move_building"], moved)
    return True
