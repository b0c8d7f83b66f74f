"""The forms in which messages travel on the write side."""

from datetime import datetime
from typing import Any

import msgspec


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    One event as it stands in the log.

    `position` is dense over the whole log, `shard_seq` dense inside its shard, `version` dense inside its stream.
    `data` is the event's JSON text; decode it with the type that `commands.catalog.EVENTS[type]` names.
    `traceparent` and `tracestate` are the trace context (W3C) of the command it came from, where that had one.
    """

    position: int
    shard: int
    shard_seq: int
    event_id: int
    stream: str
    version: int
    type: str
    data: str
    recorded_at: datetime
    traceparent: str | None = None
    tracestate: str | None = None


Event = Any
"""One of the structs listed in `commands.catalog.EVENTS`."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done about one company. Each command is decided in the company's stream."""

    cik: int

    def accessions(self) -> tuple[str, ...]:
        """The filings that must be known to decide this command."""
        return ()

    def other_companies(self) -> tuple[int, ...]:
        """The companies besides its own of which must be known whether they are registered."""
        return ()
