"""The AsyncAPI 3 document: which messages there are, how they look, and where they go."""

from typing import Any

import msgspec

from commands.catalog import EVENTS
from commands.cloud_events import LOG_ADVANCED
from commands.doorbells.celery import QUEUE, TASK
from commands.messages import RecordedEvent
from commands.publishing import Bell

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
_TRACEPARENT = {
    "type": "string",
    "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "The trace context (W3C) of the command the message goes back to.",
}
_TRACESTATE = {"type": "string", "description": "What tracing systems on the way said of that context (W3C)."}
_TRACE_CONTEXT = {"traceparent": _TRACEPARENT, "tracestate": _TRACESTATE}
_ABOUT_POSITIONS = {
    "position": "Where the event stands in the whole log: 1, 2, 3 and so on, without a gap.",
    "shard": "The shard its stream belongs to for life.",
    "shard_seq": "Where it stands in its shard: 1, 2, 3 and so on, without a gap.",
    "event_id": "Its id; ids have gaps and say nothing of the order.",
    "stream": "The company's stream, such as company-320193.",
    "version": "Where it stands in its stream: 1, 2, 3 and so on, without a gap.",
    "type": "The name of the message.",
    "recorded_at": "When it was written.",
    "traceparent": "The trace context (W3C) of the command it came from.",
    "tracestate": "What tracing systems on the way said of that context (W3C).",
}


def document() -> dict[str, Any]:
    """This will write the document from the events, bells and envelopes of the code."""
    _, schemas = msgspec.json.schema_components([*EVENTS.values(), Bell, RecordedEvent], ref_template=_ref("{name}"))
    schemas = {name: _draft_7(schema) for name, schema in schemas.items()}
    headers = schemas.pop("RecordedEvent")
    headers["properties"] = {
        name: {**headers["properties"][name], "description": text} for name, text in _ABOUT_POSITIONS.items()
    }
    headers["required"] = [name for name in headers["required"] if name != "data"]
    for name in _TRACE_CONTEXT:
        del schemas["Bell"]["properties"][name]
    messages = {name: _event(name, type_) for name, type_ in EVENTS.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Factfold: events and doorbells",
            "version": "1.0.0",
            "description": "What happens becomes an event in the log. A doorbell says only how far the log has come:"
            " whoever hears it reads the log from his own checkpoint, so doorbells may be lost, doubled, delayed or"
            " reordered without harm to anything but latency.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "log": {
                "address": "events.log",
                "title": "The log",
                "description": "Every event in one order, in PostgreSQL: `events.log` joined with `events.event`.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            },
            "sqs_doorbells": {
                "address": "factfold-doorbells",
                "title": "Doorbells on Amazon SQS",
                "description": "A standard queue with a dead letter queue, where FACTFOLD_DOORBELL is sqs.",
                "messages": {"LogAdvanced": {"$ref": "#/components/messages/LogAdvanced"}},
                "bindings": {"sqs": {"queue": {"name": "factfold-doorbells", "fifoQueue": False}}},
            },
            "celery_doorbells": {
                "address": QUEUE,
                "title": "Doorbells as Celery tasks",
                "description": "A queue of the Celery broker, where FACTFOLD_DOORBELL is celery (a list in Redis) or"
                " celery-sqs (an SQS queue).",
                "messages": {"CatchUp": {"$ref": "#/components/messages/CatchUp"}},
            },
        },
        "operations": {
            "appendEvents": _operation("send", "log", "A command that was accepted appends its events."),
            "foldEvents": _operation("receive", "log", "A projector reads a shard in order, from its own checkpoint."),
            "ringOnSqs": _operation("send", "sqs_doorbells", "The publisher rings for each shard that has grown."),
            "answerOnSqs": _operation("receive", "sqs_doorbells", "The Lambda function or the poller catches up."),
            "ringOnCelery": _operation(
                "send", "celery_doorbells", "The publisher sends a task for each shard that has grown."
            ),
            "answerOnCelery": _operation("receive", "celery_doorbells", "A Celery worker catches up."),
        },
        "components": {
            "messages": {
                **messages,
                "LogAdvanced": {
                    "name": LOG_ADVANCED,
                    "title": "A shard of the log has grown",
                    "contentType": "application/cloudevents+json",
                    "headers": {
                        "type": "object",
                        "description": "Message attributes.",
                        "properties": _TRACE_CONTEXT,
                    },
                    "payload": {"$ref": _ref("LogAdvanced")},
                },
                "CatchUp": {
                    "name": TASK,
                    "title": "Catch up with a shard",
                    "description": "The keyword arguments of the task; headers are Celery's own and a trace context.",
                    "headers": {"type": "object", "properties": _TRACE_CONTEXT},
                    "payload": {"$ref": _ref("CatchUp")},
                },
            },
            "schemas": {
                **schemas,
                "LogEntry": {**headers, "title": "LogEntry", "description": "Where an event stands, and whose it is."},
                "LogAdvanced": _cloud_event(),
                "CatchUp": {
                    "title": "CatchUp",
                    "type": "object",
                    "required": ["shard", "to_seq"],
                    "properties": {"shard": {"type": "integer"}, "to_seq": {"type": "integer"}},
                },
            },
        },
    }


def _event(name: str, type_: type) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "description": " ".join((type_.__doc__ or "").split()),
        "headers": {"$ref": _ref("LogEntry")},
        "payload": {"$ref": _ref(name)},
    }


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _cloud_event() -> dict[str, Any]:
    return {
        "title": "LogAdvanced",
        "description": "A CloudEvent 1.0 in the JSON format, structured mode. `source` and `id` are the same for the"
        " same bell, however often it is rung.",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "pattern": "^s[0-9]+-[0-9]+$"},
            "source": {"type": "string", "pattern": "^/log/[0-9]+$"},
            "type": {"const": LOG_ADVANCED},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            **_TRACE_CONTEXT,
            "data": {"$ref": _ref("Bell")},
        },
    }


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"


def _draft_7(schema: Any) -> Any:
    """AsyncAPI's schemas are those of draft 7, where the places of an array stand under `items`."""
    if isinstance(schema, list):
        return [_draft_7(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    written = {key: _draft_7(part) for key, part in schema.items()}
    if places := written.pop("prefixItems", None):
        written |= {"items": places, "additionalItems": written["items"]}
    return written
