"""Telling the projectors that the log has grown."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import psycopg
from opentelemetry.trace import SpanKind

from commands.sql import load_statements
from commands.tracing import Origin, begin_span, origin_of

_SQL = load_statements("commands", "publishing.sql")


class Bell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Word that a shard of the log has reached `to_seq`; the events since the last bell begin at `from_seq`.

    `traceparent` and `tracestate` are the trace context (W3C) of the newest of them.
    """

    shard: int
    from_seq: int
    to_seq: int
    from_position: int
    to_position: int
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def origin(self) -> Origin:
        """Both as one."""
        return Origin(self.traceparent, self.tracestate)


class DoorbellUnreachable(Exception):
    """The queue did not take the bells. Nothing is lost: they are rung again, and the sweeper needs none."""


class Doorbell(Protocol):
    """
    Wakes projectors.

    A bell carries no content: whoever hears it reads the log from his own checkpoint. So bells may be lost, doubled,
    delayed or reordered without harm to anything but latency.
    """

    def ring(self, bells: Sequence[Bell]) -> None:
        """
        This will hand the bells to the queue.

        Raises:
            DoorbellUnreachable: at least one of them was not taken.
        """


def publish_pending(connection: psycopg.Connection, doorbell: Doorbell) -> int:
    """
    This will ring once for each shard that has grown since its last bell and return how many bells it rang.

    A shard another publisher is ringing for is left to that one. How far it was rung is noted only afterwards, so a
    crash in between rings again.

    Raises:
        DoorbellUnreachable: the queue did not take the bells; the next call rings them again.
    """
    with connection.transaction():
        rows = connection.execute(_SQL["take_grown_shards"]).fetchall()
        bells = [
            Bell(
                shard=shard,
                from_seq=from_seq,
                to_seq=to_seq,
                from_position=from_position,
                to_position=to_position,
                traceparent=traceparent,
                tracestate=tracestate,
            )
            for shard, from_seq, to_seq, from_position, to_position, traceparent, tracestate in rows
        ]
        if bells:
            _ring(doorbell, bells)
            connection.execute(
                _SQL["note_rung"],
                {"shards": [bell.shard for bell in bells], "shard_seqs": [bell.to_seq for bell in bells]},
            )
    return len(bells)


def _ring(doorbell: Doorbell, bells: Sequence[Bell]) -> None:
    """Each bell continues the trace of its newest event."""
    spans = [
        begin_span(
            "publish",
            bell.origin,
            kind=SpanKind.PRODUCER,
            attributes={"factfold.shard": bell.shard, "factfold.to_seq": bell.to_seq},
        )
        for bell in bells
    ]
    try:
        doorbell.ring(
            [
                msgspec.structs.replace(bell, **origin_of(span)._asdict())
                for bell, span in zip(bells, spans, strict=True)
            ]
        )
    finally:
        for span in spans:
            span.end()
