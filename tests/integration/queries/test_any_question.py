"""Whatever is asked, the answer is an answer or a refusal that says what to mend; never a failure."""

import asyncio
from urllib.parse import quote

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
_WORDS = st.one_of(st.sampled_from([*_USUAL, *_ODD, *_TIMES, *_EDGES]), st.text(max_size=12))


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
