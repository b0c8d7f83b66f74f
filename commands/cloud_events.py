"""Bells as CloudEvents 1.0 in the JSON format, structured mode."""

from datetime import datetime

import msgspec

from commands.publishing import Bell

LOG_ADVANCED = "factfold.log.advanced"


class MalformedBell(Exception):
    """A message is no bell of ours: another event, another version, or not JSON. Look at who sends to this queue."""


class _CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    data: Bell
    time: datetime | None = None
    datacontenttype: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


_decoder = msgspec.json.Decoder(_CloudEvent)


def encode_bell(bell: Bell, *, now: datetime) -> str:
    """
    This will write a bell as a CloudEvent.

    `source` and `id` are the same for the same bell however often it is rung: the shard, and how far it has come.
    The trace context stands in the extensions `traceparent` and `tracestate` of Distributed Tracing.
    """
    event = _CloudEvent(
        specversion="1.0",
        id=f"s{bell.shard}-{bell.to_seq}",
        source=f"/log/{bell.shard}",
        type=LOG_ADVANCED,
        time=now,
        datacontenttype="application/json",
        traceparent=bell.traceparent,
        tracestate=bell.tracestate,
        data=msgspec.structs.replace(bell, traceparent=None, tracestate=None),
    )
    return msgspec.json.encode(event).decode()


def decode_bell(body: str | bytes) -> Bell:
    """
    This will read a bell from a CloudEvent. Attributes and data it does not know are passed over.

    Raises:
        MalformedBell: it is none.
    """
    try:
        event = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedBell(f"not a bell: {error}") from None
    if event.type != LOG_ADVANCED or not event.specversion.startswith("1."):
        raise MalformedBell(f"not a bell: a {event.type} of CloudEvents {event.specversion}")
    return msgspec.structs.replace(event.data, traceparent=event.traceparent, tracestate=event.tracestate)
