"""Whatever is asked, the answer is an answer or a refusal that says what to mend; never a failure."""

import asyncio
import base64
import json
from urllib.parse import quote

import httpx
import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

_USUAL = ["AAPL", "320193", "revenue", "CY2023", "FY2023Q2", "CY2023Q3I", "2023-09-30", "annual", "first", "sector"]
_ODD = [
    "0",
    "-1",
    "9" * 20,
    "1e3",
    "NaN",
    "null",
    "",
    " ",
    ",",
    "a,b",
    "'",
    '"',
    "%",
    "_",
    "\\",
    "\x00",
    "é",
    "﷽",
    "\u202e",
]
_TIMES = [
    "9999-12-31",
    "0001-01-01",
    "0000-00-00",
    "CY0999Q1",
    "CY9999",
    "FY9999Q4",
    "2024-02-30",
    "2024-01-01T00:00:00Z",
]
_EDGES = ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "W10", "WzFd", "WzBd"]
_PAGED: dict[str, dict[str, str]] = {
    "/v1/changes": {"since_position": "0"},
    "/v1/companies": {},
    "/v1/companies/AAPL/filings": {},
    "/v1/frames/revenue/CY2023": {"sort": "value"},
    "/v1/rankings": {"metric": "revenue", "period": "CY2023"},
    "/v1/screen": {"where": "revenue > 0"},
}
"""A question to every operation with pages, which has more than one row."""

_PLACES = [
    "33",
    "33/33/0/name",
    "33/33/1/revenue/2023-09-30/364/annual",
    f"33/{2**63 - 1}/2",
    f"33/{2**63 - 1}/3/revenue/CY2023",
]
"""Places in the list of changes, one of each form; at 33 a filing was reported."""

_DAYS = ["2023-02-30", "2023-W01-1", "20230101", "0000-00-00", "0001-01-01"]
_NUMBERS = [0, -1, 2**31, 2**63 - 1, 2**63, -(2**63), 10**40, 0.5]
_NUMERALS = [
    "NaN",
    "sNaN",
    "-Infinity",
    "1E+999999",
    "1E-999999",
    "1E+131071",
    "1E-16383",
    "1" * 500,
    "\u0663",
    "1_0",
    "+1",
]
_OF_OTHER_TYPES: list[object] = [None, True, "a\x00b", "\ud800", [], {}, ["x"]]
_WORDS = st.one_of(st.sampled_from([*_USUAL, *_ODD, *_TIMES, *_EDGES]), st.text(max_size=12))


_PARTS = st.one_of(st.sampled_from([*_NUMERALS, *_DAYS]), _WORDS, st.sampled_from(_NUMBERS).map(str))


@st.composite
def _places(draw: st.DrawFn) -> str:
    """The text of a place of which one part is another."""
    parts = draw(st.sampled_from(_PLACES)).split("/")
    parts[draw(st.integers(0, len(parts) - 1))] = draw(_PARTS)
    return "/".join(parts)


@st.composite
def _edited(draw: st.DrawFn, cursor: str) -> str:
    """The same cursor with another part in its key, in the place of one or behind them."""
    mark, key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    at = draw(st.integers(0, len(key)))
    key[at : at + 1] = [draw(st.one_of(_places(), _PARTS, st.sampled_from([*_NUMBERS, *_OF_OTHER_TYPES])))]
    return base64.urlsafe_b64encode(json.dumps([mark, key]).encode()).rstrip(b"=").decode()


def test_any_edited_cursor_is_answered_or_refused(figures: psycopg.Connection, redis: Redis) -> None:
    from queries.rest.catalog import OPERATIONS
    from queries.service.arguments import arguments_of
    from tests.fixtures.read_api import asgi_client, running_read_api

    with asyncio.Runner() as runner:
        running = running_read_api()
        client = asgi_client(runner.run(running.__aenter__()))

        def page(path: str, **more: str) -> httpx.Response:
            return runner.run(client.get(path, params={**_PAGED[path], "limit": "1", **more}))

        cursors = {path: page(path).json()["next_cursor"] for path in _PAGED}
        paged = [operation for operation in OPERATIONS if "cursor" in arguments_of(operation.query)]
        assert all(cursors.values())
        assert len(cursors) == len(paged)

        @settings(max_examples=400, deadline=None)
        @given(data=st.data())
        def ask(data: st.DataObject) -> None:
            path = data.draw(st.sampled_from(sorted(_PAGED)), label="path")
            answer = page(path, cursor=data.draw(_edited(cursors[path]), label="cursor"))

            assert answer.status_code == 200 or answer.json()["code"] == "invalid_cursor", answer.text

        ask()
        runner.run(client.aclose())
        runner.run(running.__aexit__(None, None, None))


def test_any_question_is_answered_or_refused(figures: psycopg.Connection, redis: Redis) -> None:
    from queries.rest.catalog import OPERATIONS
    from queries.service.arguments import arguments_of
    from tests.fixtures.read_api import asgi_client, running_read_api

    with asyncio.Runner() as runner:
        running = running_read_api()
        client = asgi_client(runner.run(running.__aenter__()))

        @settings(max_examples=150, deadline=None)
        @given(data=st.data())
        def ask(data: st.DataObject) -> None:
            operation = data.draw(st.sampled_from(OPERATIONS), label="operation")
            path = operation.path
            asked: dict[str, str | list[str]] = {}
            for name, argument in arguments_of(operation.query).items():
                if argument.in_path:
                    path = path.replace(f"{{{name}}}", quote(data.draw(_WORDS, label=name), safe=""))
                elif name == "since_position":
                    # A later one is answered with 503.
                    asked[name] = data.draw(st.sampled_from(["0", "7", "40", "-1", "x"]), label=name)
                elif name != "min_position" and (argument.required or data.draw(st.integers(0, 3)) == 0):
                    good = argument.meta.examples[0] if argument.meta.examples else ""
                    usual = good if argument.repeated else ",".join(good) if argument.is_list else str(good)
                    words = [st.just(usual), _WORDS, *([st.lists(_WORDS, min_size=2, max_size=3)] * argument.is_list)]
                    asked[name] = data.draw(st.one_of(words), label=name)

            answer = runner.run(client.get(path, params=asked))

            assert answer.status_code in (200, 400, 404, 409), answer.text
            assert answer.status_code == 200 or answer.json()["fix"]

        ask()
        runner.run(client.aclose())
        runner.run(running.__aexit__(None, None, None))
