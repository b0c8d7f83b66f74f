"""Log records as JSON lines, each with the request and the trace it belongs to."""

import logging
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson
from opentelemetry import trace

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request being answered."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object on one line: what was given as `extra` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """This will write the record."""
        members: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            "thread": record.threadName,
        }
        if (request_id := REQUEST_ID.get()) is not None:
            members["request_id"] = request_id
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            members["trace_id"] = f"{context.trace_id:032x}"
            members["span_id"] = f"{context.span_id:016x}"
        members |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            members["stack"] = record.stack_info
        return orjson.dumps(members, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
