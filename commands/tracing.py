"""
Traces: a command can be followed from its request through log, doorbell and projector to what readers see.

The trace context (W3C) lies in the event's `meta` and travels with the bells. Without a configured provider the library
does nothing but hand the context of the request on.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

MOST_LINKS = 32
_TRACER = trace.get_tracer("factfold")
_W3C = TraceContextTextMapPropagator()

type Attributes = Mapping[str, str | int]


def is_tracing() -> bool:
    """This will say whether somebody collects spans."""
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider)


def current_traceparent() -> str | None:
    """This will write the context of the span under way as a `traceparent`; None outside of any."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span: Span) -> str | None:
    """This will write a span's context as a `traceparent`, or give None for a span without a valid one."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent")


def current_meta() -> str:
    """This will write what an event's `meta` says of its origin, as JSON."""
    traceparent = current_traceparent()
    return "{}" if traceparent is None else f'{{"traceparent":"{traceparent}"}}'


@contextmanager
def continued(
    name: str,
    traceparents: Iterable[str | None] = (),
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
) -> Iterator[Span]:
    """
    This will run a block as a span of the trace that messages with these contexts belong to.

    A span under way is its parent. Otherwise messages of one trace are continued; those of several begin a new one. The
    span links to all of them.
    """
    parent, links = _lineage(traceparents)
    with _TRACER.start_as_current_span(name, parent, kind=kind, attributes=attributes, links=links) as span:
        yield span


def begin_span(name: str, traceparent: str | None, *, kind: SpanKind, attributes: Attributes) -> Span:
    """This will begin a span without making it the one under way; who begins it ends it."""
    parent, _ = _lineage([traceparent])
    return _TRACER.start_span(name, parent, kind=kind, attributes=attributes)


def record_span(
    name: str, traceparents: Iterable[str | None] = (), *, begun_ns: int, attributes: Attributes | None = None
) -> None:
    """
    This will record a span that began at `begun_ns` (`time.time_ns`) and has ended now, with parents as in `continued`.

    For work of which only its end shows whether there was any. Costs nothing where nobody collects.
    """
    if is_tracing():
        parent, links = _lineage(traceparents)
        _TRACER.start_span(name, parent, attributes=attributes, links=links, start_time=begun_ns).end()


def _lineage(traceparents: Iterable[str | None]) -> tuple[Context | None, list[Link]]:
    origins = [_origin(traceparent) for traceparent in _distinct(traceparents)]
    known = [origin for origin in origins if origin.is_valid]
    links = [Link(origin) for origin in known]
    if trace.get_current_span().get_span_context().is_valid or len({origin.trace_id for origin in known}) != 1:
        return None, links
    return trace.set_span_in_context(NonRecordingSpan(known[-1])), links


def _distinct(traceparents: Iterable[str | None]) -> list[str]:
    found: dict[str, None] = {}
    for traceparent in traceparents:
        if traceparent is not None:
            found[traceparent] = None
            if len(found) == MOST_LINKS:
                break
    return list(found)


def _origin(traceparent: str) -> SpanContext:
    context = _W3C.extract({"traceparent": traceparent}, Context())
    return trace.get_current_span(context).get_span_context()
