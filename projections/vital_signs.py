"""What an operator has to know of log, projections and doorbells at one instant."""

from typing import Any

import msgspec
import psycopg

from commands.admission import Backlog
from commands.sql import load_statements

_SQL = load_statements("projections", "vital_signs.sql")
# Several statements sent together are one transaction: what they tell belongs together, and nothing stays behind.
_ALL = b";\n".join(_SQL[name] for name in ("vital_signs", "open_live", "freshness"))


class ShardSigns(msgspec.Struct, frozen=True, kw_only=True):
    """
    One shard of one projection that is live or being built.

    `lag_seconds` is how long the first event it has not folded has had its position, 0 when it has folded everything;
    `still_seconds` how long ago it was at work. `batches` and `busy_seconds` count over all processes and for ever.
    """

    projection: str
    version: int
    state: str
    shard: int
    shard_seq: int
    position: int
    lag_events: int
    lag_seconds: float
    still_seconds: float
    batches: int
    busy_seconds: float
    last_batch_events: int
    last_batch_seconds: float


class ParkedSigns(msgspec.Struct, frozen=True, kw_only=True):
    """How many streams a projection has set aside, and how many of their events wait."""

    projection: str
    version: int
    streams: int
    events: int


class DoorbellSigns(msgspec.Struct, frozen=True, kw_only=True):
    """How far a shard is ahead of its last bell, and how long ago that was; None where it was never rung."""

    shard: int
    unrung_events: int
    rung_seconds: float | None


class FiguresSigns(msgspec.Struct, frozen=True, kw_only=True):
    """
    What readers see: the number of the refresh, the position, and how long ago it became readable.

    `unread_events` are folded and cannot be read yet; the first of them has had its position for `unread_seconds`, None
    where there is none. Who refreshes, and who fills Redis anew, last did something so long ago as `…_idle_seconds`
    say; None where nobody is at it.
    """

    seq: int
    position: int
    lag_ms: int
    fresh_seconds: float
    unread_events: int
    unread_seconds: float | None
    refresher_idle_seconds: float | None
    filler_idle_seconds: float | None


class VitalSigns(msgspec.Struct, frozen=True, kw_only=True):
    """
    The state of an installation's log, projections and doorbells at one instant.

    `pending_seconds` is how long the oldest event without a position has waited, None when none does;
    `sequenced_seconds` how long ago a position was last given.
    """

    head: int
    sequenced_seconds: float | None
    pending: int
    pending_seconds: float | None
    shards: list[ShardSigns]
    parked: list[ParkedSigns]
    doorbells: list[DoorbellSigns]
    migrations: list[str]
    figures: FiguresSigns | None = None


def read_vital_signs(connection: psycopg.Connection) -> VitalSigns:
    """
    This will read the vital signs over an autocommit connection.

    Raises:
        psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName: migrations have not been run.
    """
    cursor = connection.execute(_ALL, prepare=False)
    signs = cursor.fetchone()
    cursor.nextset()
    cursor.nextset()
    return _decoded(signs, cursor.fetchone())


async def ask_vital_signs(connection: psycopg.AsyncConnection[Any]) -> VitalSigns:
    """This will do the same without blocking the event loop."""
    cursor = await connection.execute(_ALL, prepare=False)
    signs = await cursor.fetchone()
    cursor.nextset()
    cursor.nextset()
    return _decoded(signs, await cursor.fetchone())


def backlog_of(signs: VitalSigns) -> Backlog:
    """This will say how far what readers see is behind what has been committed."""
    waiting = sum(shard.lag_events for shard in signs.shards if shard.state == "live")
    return Backlog(events=signs.pending + waiting, pending_seconds=signs.pending_seconds or 0.0)


def read_backlog(connection: psycopg.Connection) -> Backlog:
    """This will read the backlog over an autocommit connection."""
    return backlog_of(read_vital_signs(connection))


def _decoded(signs: Any, figures: Any) -> VitalSigns:
    found = msgspec.json.decode(signs[0], type=VitalSigns)
    return (
        msgspec.structs.replace(found, figures=msgspec.json.decode(figures[0], type=FiguresSigns)) if figures else found
    )
