"""The examples of docs/writing.md, sent as they stand there."""

import json
import re
from pathlib import Path
from typing import Any

import psycopg
from django.test import Client

from commands.event_log.sequence import sequence_pending

PAGE = Path(__file__).parent.parent.parent / "docs" / "writing.md"
EXAMPLE = re.compile(r"```http\n(GET|POST) (\S+)\n(.*?)```\n```json (\d+)\n(.*?)```", re.DOTALL)


def assert_shown(shown: Any, answered: Any) -> None:
    """What the page shows is there; it may leave members of an object out."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert_shown(value, answered[key])
    elif isinstance(shown, list):
        assert len(shown) == len(answered)
        for one, other in zip(shown, answered, strict=True):
            assert_shown(one, other)
    else:
        assert shown == answered


class TestWritingPage:
    def test_shows_what_is_answered(self, connection: psycopg.Connection) -> None:
        client = Client(headers={"host": "127.0.0.1"})
        examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))

        for method, address, body, status, shown in examples:
            sequence_pending(connection)
            answer = client.generic(method, address, body, content_type="application/json")

            assert answer.status_code == int(status), answer.content
            assert_shown(json.loads(shown), answer.json())
        assert len(examples) == 6
