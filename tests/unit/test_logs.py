"""Log records as JSON lines."""

import json
import logging
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from config.logs import REQUEST_ID, JsonLines


def line(message: str = "it is so", **named: Any) -> dict[str, Any]:
    record = logging.getLogger("factfold.test").makeRecord(
        "factfold.test", logging.WARNING, "file.py", 1, message, (), named.pop("exc_info", None), extra=named
    )
    written = JsonLines().format(record)
    assert "\n" not in written
    told: dict[str, Any] = json.loads(written)
    return told


class TestJsonLines:
    def test_tell_time_level_logger_and_message(self) -> None:
        told = line()

        assert (told["level"], told["logger"], told["message"]) == ("WARNING", "factfold.test", "it is so")
        assert told["time"].endswith("Z")

    def test_hold_what_was_given_beside_the_message(self) -> None:
        assert line(shard=3, events={"a": 1})["events"] == {"a": 1}

    def test_name_the_request_and_the_trace(self) -> None:
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        span = trace.get_current_span(TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context()))
        token = REQUEST_ID.set("abc")
        try:
            with trace.use_span(span):
                told = line()
        finally:
            REQUEST_ID.reset(token)

        assert told["request_id"] == "abc"
        assert (told["trace_id"], told["span_id"]) == tuple(traceparent.split("-")[1:3])

    def test_keep_an_exception_on_the_line(self) -> None:
        try:
            raise ValueError("no\nway")
        except ValueError as error:
            told = line(exc_info=(type(error), error, error.__traceback__))

        assert "ValueError: no\nway" in told["exception"]

    def test_outside_of_a_request_name_none(self) -> None:
        assert line().keys().isdisjoint({"request_id", "trace_id"})
