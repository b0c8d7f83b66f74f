"""The published document of events and doorbells is valid, up to date, and true of what is sent."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from jsonschema import Draft7Validator, ValidationError

from commands.asyncapi import DRAFT_7, document
from commands.catalog import EVENTS
from commands.cloud_events import encode_bell
from commands.dispatch import dispatch_many
from commands.doorbells.memory import MemoryDoorbell
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from commands.publishing import publish_pending
from tests.fixtures.filings import NOW, RegisterCompanyFactory, ReportFilingFactory, WithdrawFilingFactory

PUBLISHED = Path(__file__).parent.parent.parent / "docs" / "asyncapi.json"
REFERENCE = {
    "type": "object",
    "required": ["$ref"],
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "additionalProperties": False,
}
SCHEMA_OR_REFERENCE = {"anyOf": [REFERENCE, {"$ref": DRAFT_7}]}
# The parts of AsyncAPI 3.0's own schema that this document uses; anything else is a misspelling.
ASYNCAPI_3 = {
    "$schema": DRAFT_7,
    "type": "object",
    "required": ["asyncapi", "info"],
    "additionalProperties": False,
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "additionalProperties": False,
            "properties": {
                "title": {"type": "string"},
                "version": {"type": "string"},
                "description": {"type": "string"},
                "license": {"type": "object", "required": ["name"]},
            },
        },
        "defaultContentType": {"type": "string"},
        "channels": {
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "address": {"type": ["string", "null"]},
                    "title": {"type": "string"},
                    "description": {"type": "string"},
                    "messages": {"additionalProperties": REFERENCE, "minProperties": 1},
                    "bindings": {"type": "object", "additionalProperties": {"type": "object"}},
                },
            }
        },
        "operations": {
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "additionalProperties": False,
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": REFERENCE,
                    "summary": {"type": "string"},
                    "messages": {"type": "array", "items": REFERENCE},
                },
            }
        },
        "components": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "messages": {
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "title": {"type": "string"},
                            "description": {"type": "string"},
                            "contentType": {"type": "string"},
                            "headers": SCHEMA_OR_REFERENCE,
                            "payload": SCHEMA_OR_REFERENCE,
                        },
                    }
                },
                "schemas": {"additionalProperties": {"$ref": DRAFT_7}},
            },
        },
    },
}


def check(message: str, part: str, sent: Any) -> None:
    """This will check what is sent against a message's payload or headers."""
    whole = document()
    reference = whole["components"]["messages"][message][part]
    Draft7Validator({"allOf": [reference], "components": whole["components"]}).validate(sent)


def references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [found for one in part for found in references(one)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [found for one in part.values() for found in references(one)]


class TestDocument:
    def test_is_valid(self) -> None:
        Draft7Validator(ASYNCAPI_3).validate(json.loads(PUBLISHED.read_text()))

    def test_is_what_the_code_says(self) -> None:
        assert PUBLISHED.read_text() == json.dumps(document(), indent=2, ensure_ascii=False) + "\n"

    def test_refers_to_nothing_that_is_not_there(self) -> None:
        whole = document()

        for reference in references(whole):
            part = whole
            for name in reference.removeprefix("#/").split("/"):
                part = part[name]

    def test_describes_every_event(self) -> None:
        messages = document()["components"]["messages"]

        assert set(messages) == {*EVENTS, "LogAdvanced", "CatchUp"}
        assert [name for name in EVENTS if not messages[name]["description"]] == []


class TestWhatIsSent:
    def test_is_as_described(self, connection: psycopg.Connection) -> None:
        company = RegisterCompanyFactory.build()
        filing = ReportFilingFactory.build(cik=company.cik)
        withdrawal = WithdrawFilingFactory.build(cik=company.cik, accession=filing.accession)
        dispatch_many(connection, [company, filing, withdrawal], now=NOW)
        sequence_pending(connection)
        doorbell = MemoryDoorbell()
        publish_pending(connection, doorbell)

        events = read_log(connection, after=0, max_events=10)
        for event in events:
            check(event.type, "payload", json.loads(event.data))
            check(event.type, "headers", envelope(event))
        for bell in doorbell.rung:
            check("LogAdvanced", "payload", json.loads(encode_bell(bell, now=NOW)))
            check("CatchUp", "payload", {"shard": bell.shard, "to_seq": bell.to_seq})

        assert len(events) == 3

    @pytest.mark.parametrize("broken", [{"specversion": "0.3"}, {"data": {"shard": "one"}}, {"id": None}])
    def test_is_told_from_what_is_not(self, broken: dict[str, Any]) -> None:
        bell = {"shard": 1, "from_seq": 1, "to_seq": 2, "from_position": 1, "to_position": 2}
        sent = {"specversion": "1.0", "id": "s1-2", "source": "/log/1", "type": "factfold.log.advanced", "data": bell}
        check("LogAdvanced", "payload", sent)

        with pytest.raises(ValidationError):
            check("LogAdvanced", "payload", sent | broken)


def envelope(event: Any) -> dict[str, Any]:
    return {
        "position": event.position,
        "shard": event.shard,
        "shard_seq": event.shard_seq,
        "event_id": event.event_id,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "recorded_at": event.recorded_at.isoformat(),
        "traceparent": event.traceparent,
    }
