"""
Traces: a command can be followed from its request through log, doorbell and projector to what readers see.

The trace context (W3C) lies in the event's `meta` and travels with the bells. Without a configured provider the library
does nothing but hand the context of the request on.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import msgspec
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MOST_LINKS = 32
_MOST_TRACESTATE = 512
"""Characters: what the standard asks to be handed on. It is kept with each event."""
_TRACER = trace.get_tracer("factfold")
_W3C = TraceContextTextMapPropagator()

type Attributes = Mapping[str, str | int]


class Origin(NamedTuple):
    """The trace context (W3C) a message came with: where it belongs, and what tracing systems on its way said of it."""

    traceparent: str | None
    tracestate: str | None = None


def is_tracing() -> bool:
    """This will say whether somebody collects spans."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def origin_of(span: Span) -> Origin:
    """This will write a span's context as messages carry it, empty for a span without a valid one."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    tracestate = carrier.get("tracestate", "")
    return Origin(carrier.get("traceparent"), tracestate if 0 < len(tracestate) <= _MOST_TRACESTATE else None)


def current_meta() -> str:
    """This will write what an event's `meta` says of its origin, as JSON."""
    return msgspec.json.encode(carried(origin_of(trace.get_current_span()))).decode()


def carried(origin: Origin) -> dict[str, str]:
    """This will name what there is to carry of a context, as headers and attributes are named."""
    return {name: value for name, value in origin._asdict().items() if value is not None}


@contextmanager
def continued(
    name: str,
    origins: Iterable[Origin] = (),
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
) -> Iterator[Span]:
    """
    This will run a block as a span of the trace that messages with these contexts belong to.

    A span under way is its parent. Otherwise messages of one trace are continued; those of several begin a new one. The
    span links to all of them.
    """
    parent, links = _lineage(origins)
    with _TRACER.start_as_current_span(name, parent, kind=kind, attributes=attributes, links=links) as span:
        yield span


def begin_span(name: str, origin: Origin, *, kind: SpanKind, attributes: Attributes) -> Span:
    """This will begin a span without making it the one under way; who begins it ends it."""
    parent, _ = _lineage([origin])
    return _TRACER.start_span(name, parent, kind=kind, attributes=attributes)


def record_span(
    name: str, origins: Iterable[Origin] = (), *, begun_ns: int, attributes: Attributes | None = None
) -> None:
    """
    This will record a span that began at `begun_ns` (`time.time_ns`) and has ended now, with parents as in `continued`.

    For work of which only its end shows whether there was any. Costs nothing where nobody collects.
    """
    if is_tracing():
        parent, links = _lineage(origins)
        _TRACER.start_span(name, parent, attributes=attributes, links=links, start_time=begun_ns).end()


def _lineage(origins: Iterable[Origin]) -> tuple[Context | None, list[Link]]:
    contexts = [_context(origin) for origin in _distinct(origins)]
    known = [context for context in contexts if context.is_valid]
    links = [Link(context) for context in known]
    if trace.get_current_span().get_span_context().is_valid or len({context.trace_id for context in known}) != 1:
        return None, links
    return trace.set_span_in_context(NonRecordingSpan(known[-1])), links


def _distinct(origins: Iterable[Origin]) -> list[Origin]:
    found: dict[str, Origin] = {}
    for origin in origins:
        if origin.traceparent is not None:
            found[origin.traceparent] = origin
            if len(found) == MOST_LINKS:
                break
    return list(found.values())


def _context(origin: Origin) -> SpanContext:
    context = _W3C.extract(carried(origin), Context())
    return trace.get_current_span(context).get_span_context()
