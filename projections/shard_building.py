"""
Folding the log into a version that is being built, in one process or several.

# Note [stream by stream]
Each shard is folded one stream after the other, up to where the live version stood in it at the start: a stream's
events, and only those, decide what its company's rows are, so their order among other streams does not matter, and a
company met for the first time needs nothing read back. Then the checkpoint is set to that place, and the version
follows the log as any other. What was folded and how far that is commit together: whatever stops it, it goes on there.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from projections.parking import EventUnfoldable, fold_or_park, fold_strictly
from projections.projection import Version
from projections.projector import MAX_BYTES, follow_version

_SQL = load_statements("projections", "shard_building.sql")

APPLICATION_NAME = "factfold rebuild"
"""What the connections of a rebuild are called on the server."""

_BATCH_BYTES = 1024 * 1024
"""As many companies are folded together: little is lost by a kill, and progress is told often."""

_MAX_STREAM_BYTES = 4 * MAX_BYTES
"""A company is folded at once up to this size: what is folded in slices has to be read back between them."""

_TOLD_EVERY_SECONDS = 1.0


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


class ProcessEnded(Exception):
    """A process that was to fold shards ended before its time; what it printed says why. What it committed stands."""


class ShardIncomplete(Exception):
    """The events found stream by stream are not those the log has in the shard: the log is damaged."""


def fold_shards(tasks: Sequence[ShardTask], *, processes: int, told: Callable[[], None]) -> None:
    """
    This will do the tasks, largest first, in so many processes, and call `told` again and again meanwhile.

    Raises:
        EventUnfoldable: the first event found that cannot be folded.
        ProcessEnded: a process was killed, or failed in another way.
        ShardIncomplete: the log does not hold what it should.
    """
    count = min(processes, len(tasks))
    if count <= 1:
        for task in tasks:
            fold_shard(task, told=told)
        return
    context = multiprocessing.get_context("spawn")
    started: list[tuple[Any, Connection]] = []
    try:
        for number in range(count):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(tasks[number::count], sender), daemon=True)
            process.start()
            sender.close()
            started.append((process, receiver))
        running = dict(started)
        while running:
            wait([process.sentinel for process in running], timeout=_TOLD_EVERY_SECONDS)
            told()
            for process in [process for process in running if process.exitcode is not None]:
                _end(process, running.pop(process))
    finally:
        for process, _ in started:
            process.terminate()
        for process, _ in started:
            process.join()


def fold_shard(task: ShardTask, *, told: Callable[[], None] = lambda: None) -> None:
    """This will do one task from where it was left, in this process. `told` is called after each batch."""
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


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An `EventUnfoldable` on its way from one process to another."""

    event: RecordedEvent
    error: str


def _work(tasks: Sequence[ShardTask], failures: Connection) -> None:
    # Ctrl-C reaches every process of the terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for task in tasks:
        try:
            fold_shard(task)
        except EventUnfoldable as failed:
            failures.send(_Failure(event=failed.event, error=failed.error))
            return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _end(process: Any, failures: Connection) -> None:
    if failures.poll():
        try:
            failure: _Failure = failures.recv()
        except EOFError:
            pass
        else:
            raise EventUnfoldable(event=failure.event, error=failure.error)
    if process.exitcode != 0:
        raise ProcessEnded(f"a process that folded shards ended with {process.exitcode}; run it again to go on")


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
