"""Commands over REST, on a real database."""

import dataclasses
import gzip
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.test import Client
from pytest_django import Settings

from commands.connections import write_pool
from commands.event_log.append import lock_streams
from commands.event_log.sequence import sequence_pending
from config.embedded.bound_process import free_port
from tests.fixtures.sessions import waiting_for_locks
from tests.fixtures.waiting import wait_until

APPLE = {"cik": 320193, "name": "Apple Inc.", "sic": "3571", "country": "US", "tickers": ["AAPL"]}
REVENUE = {
    "concept": "us-gaap:Revenues",
    "unit": "USD",
    "start": "2022-09-25",
    "end": "2023-09-30",
    "value": 383285000000,
}
FILING = {
    "cik": 320193,
    "accession": "0000320193-23-000106",
    "form": "10-K",
    "filed_on": "2023-11-03",
    "facts": [REVENUE],
}

type Post = Callable[..., Any]


def get(address: str) -> Any:
    return Client(headers={"host": "127.0.0.1"}).get(address)


@pytest.fixture
def post(connection: psycopg.Connection, client: Client) -> Post:
    def posting(address: str, body: Any, *, content_type: str = "application/json", **headers: str) -> Any:
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        headers = {"host": "127.0.0.1", **headers}
        return client.post(f"/v1/commands{address}", data, content_type=content_type, headers=headers)

    return posting


@pytest.fixture
def posted_apple(post: Post) -> Post:
    assert post("/RegisterCompany", APPLE).status_code == 202
    return post


def rows_written(connection: psycopg.Connection) -> list[int]:
    tables = ("stream", "event", "pending", "idempotency", "company_state", "filing_state", "acceptance_state")
    return [connection.execute(f"select count(*) from events.{table}").fetchall()[0][0] for table in tables]


class TestOneCommand:
    def test_is_accepted_with_its_event_stream_and_version(self, post: Post) -> None:
        answer = post("/RegisterCompany", APPLE)

        told = answer.json()
        assert answer.status_code == 202
        assert told["stream"] == "company-320193"
        assert told["version"] == 1
        assert told["token"] == f"event-{told['event_ids'][0]}"
        assert answer.headers["location"] == f"/v1/commands/{told['token']}"

    def test_keeps_a_value_digit_for_digit(self, posted_apple: Post, connection: psycopg.Connection) -> None:
        exact = "0.123456789012345678901234567891"
        body = json.dumps(FILING).replace("383285000000", exact)

        answer = posted_apple("/ReportFiling", body)

        assert answer.status_code == 202
        row = connection.execute("select data::text from events.event where type = 'FilingReported'").fetchone()
        assert row is not None
        assert f'"{exact}"' in row[0]

    def test_that_changes_nothing_is_accepted_without_an_event(self, posted_apple: Post) -> None:
        first = posted_apple("/ReportFiling", FILING).json()

        again = posted_apple("/ReportFiling", FILING)

        assert again.status_code == 202
        assert again.json() == {**first, "event_ids": []}

    def test_is_found_by_its_token_and_placed_once_sequenced(
        self, posted_apple: Post, connection: psycopg.Connection
    ) -> None:
        token = posted_apple("/ReportFiling", FILING).json()["token"]
        before = get(f"/v1/commands/{token}").json()
        sequence_pending(connection)

        after = get(f"/v1/commands/{token}").json()

        assert (before["state"], before["position"]) == ("accepted", None)
        assert (after["state"], after["position"]) == ("sequenced", 2)

    def test_is_found_by_its_idempotency_key(self, post: Post) -> None:
        told = post("/RegisterCompany", APPLE, **{"Idempotency-Key": "a-1"}).json()

        found = get("/v1/commands/a-1").json()

        assert found["response"] == told

    @pytest.mark.parametrize("key", ["a/b", "/a//b?c#d%25e", "RegisterCompany", "event-9", "%"])
    def test_is_found_where_its_location_says_whatever_its_key_holds(self, post: Post, key: str) -> None:
        told = post("/RegisterCompany", APPLE, **{"Idempotency-Key": key})

        found = get(told.headers["location"])

        assert (found.status_code, found.json()["id"], found.json()["response"]) == (200, key, told.json())

    @pytest.mark.parametrize("header", ["Expected-Version", "If-Match"])
    def test_expecting_another_version_is_refused(
        self, posted_apple: Post, connection: psycopg.Connection, header: str
    ) -> None:
        before = rows_written(connection)

        answer = posted_apple("/RenameCompany", {"cik": 320193, "name": "Pear"}, **{header: '"7"'})

        assert answer.status_code == 409
        assert answer.json()["code"] == "version_conflict"
        assert rows_written(connection) == before

    def test_odd_but_real_names_units_and_dates_are_data(self, post: Post) -> None:
        registered = post("/RegisterCompany", {"cik": 63908, "name": "McDonald’s\u00a0Corp"})
        odd = {"concept": "us-gaap:NumberOfRestaurants", "unit": "Restaurant", "end": "2031-12-31", "value": "40275"}

        reported = post("/ReportFiling", {**FILING, "cik": 63908, "facts": [odd]})

        assert (registered.status_code, reported.status_code) == (202, 202)


class TestWithdrawal:
    def test_at_an_instant_still_to_come_is_refused(self, posted_apple: Post, connection: psycopg.Connection) -> None:
        posted_apple("/ReportFiling", FILING)
        before = rows_written(connection)
        withdrawal = {"cik": 320193, "accession": FILING["accession"], "reason": "r"}

        refused = posted_apple("/WithdrawFiling", {**withdrawal, "withdrawn_at": "2199-01-01T00:00:00Z"})

        assert [error["pointer"] for error in refused.json()["errors"]] == ["/withdrawn_at"]
        assert rows_written(connection) == before
        assert posted_apple("/WithdrawFiling", withdrawal).status_code == 202


class TestFormerNames:
    def test_stated_again_are_no_event_and_left_out_stay(self, posted_apple: Post) -> None:
        stated = {"cik": 320193, "name": "Apple", "former_names": [{"name": "A", "until": "2007-01-04"}, {"name": "B"}]}

        answers = [
            posted_apple("/RenameCompany", body).json()
            for body in (stated, stated, {"cik": 320193, "name": "Apple"}, {**stated, "former_names": []})
        ]

        assert [len(answer["event_ids"]) for answer in answers] == [1, 0, 0, 1]

    def test_that_cannot_be_right_are_pointed_at(self, posted_apple: Post) -> None:
        twice = [{"name": "A"}, {"name": "A"}, {"name": " "}]

        answer = posted_apple("/RenameCompany", {"cik": 320193, "name": "Apple", "former_names": twice})

        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [
            "/former_names/1/name",
            "/former_names/2/name",
        ]


class TestIdempotencyKey:
    def test_same_request_gets_the_stored_answer(self, post: Post, connection: psycopg.Connection) -> None:
        first = post("/RegisterCompany", APPLE, **{"Idempotency-Key": "k"})
        before = rows_written(connection)

        second = post("/RegisterCompany", APPLE, **{"Idempotency-Key": "k"})

        assert (second.status_code, second.json()) == (first.status_code, first.json())
        assert rows_written(connection) == before

    def test_another_request_with_the_same_key_is_refused(self, post: Post, connection: psycopg.Connection) -> None:
        post("/RegisterCompany", APPLE, **{"Idempotency-Key": "k"})
        before = rows_written(connection)

        answer = post("/RegisterCompany", {**APPLE, "cik": 1}, **{"Idempotency-Key": "k"})

        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        assert rows_written(connection) == before

    def test_eight_equal_requests_at_once_have_one_effect_and_one_answer(
        self, posted_apple: Post, connection: psycopg.Connection
    ) -> None:
        with ThreadPoolExecutor(8) as senders:
            answers = list(
                senders.map(lambda _: posted_apple("/ReportFiling", FILING, **{"Idempotency-Key": "storm"}), range(8))
            )

        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.content for answer in answers}) == 1
        assert rows_written(connection)[:2] == [1, 2]

    def test_eight_equal_requests_without_a_key_report_the_filing_once(
        self, posted_apple: Post, connection: psycopg.Connection
    ) -> None:
        with ThreadPoolExecutor(8) as senders:
            answers = list(senders.map(lambda _: posted_apple("/ReportFiling", FILING), range(8)))

        assert {answer.status_code for answer in answers} == {202}
        assert sum(len(answer.json()["event_ids"]) for answer in answers) == 1

    def test_a_refused_command_leaves_the_key_free(self, post: Post) -> None:
        refused = post("/ReportFiling", FILING, **{"Idempotency-Key": "k"})
        post("/RegisterCompany", APPLE)

        repeated = post("/ReportFiling", FILING, **{"Idempotency-Key": "k"})

        assert (refused.status_code, repeated.status_code) == (404, 202)


def with_fact(**changes: Any) -> dict[str, Any]:
    return {**FILING, "facts": [REVENUE, {**REVENUE, "concept": "us-gaap:Other", **changes}]}


BAD_INPUT = [
    pytest.param("/ReportFiling", b'{"cik": 320193, "facts": [', 400, "", "line 1 column 27", id="truncated JSON"),
    pytest.param("/ReportFiling", b'{"cik": 1, "cik": 2}', 400, "/cik", "twice", id="a key twice"),
    pytest.param(
        "/ReportFiling",
        json.dumps(with_fact(value=float("nan"))).encode(),
        400,
        "/facts/1/value",
        "NaN",
        id="NaN",
    ),
    pytest.param("/ReportFiling", b'{"cik": "\xff"}', 400, "", "UTF-8", id="not UTF-8"),
    pytest.param("/ReportFiling", b"[" * 100_000, 400, "", "deep", id="nested without end"),
    pytest.param("/ReportFiling", [1], 422, "", "dictionary", id="not an object"),
    pytest.param("/ReportFiling", {}, 422, "/cik", "missing", id="nothing"),
    pytest.param("/ReportFiling", {**FILING, "fcats": []}, 422, "/fcats", "no field", id="an unknown field"),
    pytest.param("/ReportFiling", with_fact(end="2021-09-30"), 422, "/facts/1/end", "before", id="end before start"),
    pytest.param(
        "/ReportFiling", with_fact(end="2023-02-30"), 422, "/facts/1/end", "no calendar date", id="no such day"
    ),
    pytest.param(
        "/ReportFiling", with_fact(start="20220925"), 422, "/facts/1/start", "no calendar date", id="another date form"
    ),
    pytest.param(
        "/ReportFiling", with_fact(value=int("9" * 300)), 422, "/facts/1/value", "300 significant", id="300 digits"
    ),
    pytest.param("/ReportFiling", with_fact(value="1e999"), 422, "/facts/1/value", "10^999", id="a huge exponent"),
    pytest.param("/ReportFiling", with_fact(value="1e99999999"), 422, "/facts/1/value", "no finite", id="worse"),
    pytest.param("/ReportFiling", with_fact(value="Infinity"), 422, "/facts/1/value", "no finite", id="infinite text"),
    pytest.param("/ReportFiling", with_fact(value="٣"), 422, "/facts/1/value", "no finite", id="other digits"),
    pytest.param("/ReportFiling", with_fact(value=True), 422, "/facts/1/value", "no number", id="true"),
    pytest.param("/ReportFiling", with_fact(value=None), 422, "/facts/1/value", "missing", id="null"),
    pytest.param("/ReportFiling", with_fact(unit=""), 422, "/facts/1/unit", "empty", id="no unit"),
    pytest.param("/ReportFiling", with_fact(unit="U\0SD"), 422, "/facts/1/unit", "U+0000", id="NUL in a unit"),
    pytest.param("/ReportFiling", with_fact(concept="Revenues"), 422, "/facts/1/concept", "taxonomy", id="no taxonomy"),
    pytest.param(
        "/ReportFiling",
        with_fact(concept="us-gaap:Revenues", value=1),
        422,
        "/facts/1/value",
        "two values",
        id="two values of one fact",
    ),
    pytest.param(
        "/ReportFiling",
        {**FILING, "accession": "320193-23-106"},
        422,
        "/accession",
        "no accession",
        id="a malformed accession",
    ),
    pytest.param("/ReportFiling", {**FILING, "filed_on": "soon"}, 422, "/filed_on", "no calendar", id="filed soon"),
    pytest.param(
        "/ReportFiling",
        {**FILING, "accepted_at": "2023-11-02T22:08:27"},
        422,
        "/accepted_at",
        "offset",
        id="an instant without its offset",
    ),
    pytest.param(
        "/ReportFiling", {**FILING, "filed_on": "9999-12-31"}, 422, "/filed_on", "1900 to 2199", id="filed in 9999"
    ),
    pytest.param(
        "/ReportFiling",
        {**FILING, "accepted_at": "9999-12-31T23:59:59-05:00"},
        422,
        "/accepted_at",
        "1900 to 2199",
        id="accepted in 10000",
    ),
    pytest.param("/ReportFiling", {**FILING, "form": "x" * 41}, 422, "/form", "41 characters", id="a long form"),
    pytest.param("/ReportFiling", {**FILING, "form": "\ud800"}, 422, "/form", "U+D800", id="half a surrogate pair"),
    pytest.param("/ReportFiling", {**FILING, "mode": "\ud800"}, 422, "/mode", "neither", id="half a pair for a mode"),
    pytest.param(
        "/ReportFiling",
        with_fact(concept="us-gaap:Revenues", value="\ud800"),
        422,
        "/facts/1/value",
        "no finite",
        id="half a pair beside another value",
    ),
    pytest.param("/ReportFiling", {**FILING, "cik": 4}, 404, "/cik", "no such company", id="an unknown company"),
    pytest.param("/RegisterCompany", {**APPLE, "cik": 0}, 422, "/cik", "greater", id="CIK zero"),
    pytest.param("/RegisterCompany", {**APPLE, "cik": 1.5}, 422, "/cik", "integer", id="CIK one and a half"),
    pytest.param("/RegisterCompany", {**APPLE, "name": " "}, 422, "/name", "empty", id="a blank name"),
    pytest.param("/RegisterCompany", {**APPLE, "name": 7}, 422, "/name", "not text", id="a number for a name"),
    pytest.param("/RegisterCompany", {**APPLE, "sic": "357"}, 422, "/sic", "no SIC", id="three digits of a SIC"),
    pytest.param("/RegisterCompany", {**APPLE, "tickers": ["A B"]}, 422, "/tickers/0", "blank", id="a blank ticker"),
    pytest.param(
        "/WithdrawFiling",
        {"cik": 320193, "accession": "0000320193-23-000107", "reason": "r"},
        404,
        "/accession",
        "no such filing",
        id="an unknown filing",
    ),
    pytest.param("/BuyCompany", APPLE, 404, None, None, id="an unknown command"),
]


class TestBadInput:
    @pytest.mark.parametrize(("address", "body", "status", "pointer", "reason"), BAD_INPUT)
    def test_is_refused_by_field_reason_and_repair_and_changes_nothing(
        self,
        posted_apple: Post,
        connection: psycopg.Connection,
        address: str,
        body: Any,
        status: int,
        pointer: str | None,
        reason: str | None,
    ) -> None:
        before = rows_written(connection)

        answer = posted_apple(address, body)

        problem = answer.json()
        assert answer.status_code == problem["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["fix"]
        if pointer is not None:
            (error,) = [error for error in problem["errors"] if error["pointer"] == pointer]
            assert reason is not None
            assert reason in error["reason"]
            assert error["fix"]
        assert rows_written(connection) == before

    def test_a_form_is_no_body(self, post: Post) -> None:
        answer = post("/RegisterCompany", "cik=1", content_type="application/x-www-form-urlencoded")

        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

    def test_a_compressed_body_is_refused(self, post: Post) -> None:
        answer = post("/RegisterCompany", gzip.compress(json.dumps(APPLE).encode()), **{"Content-Encoding": "gzip"})

        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

    @pytest.mark.slow
    def test_a_database_out_of_reach_is_told_and_the_command_can_be_repeated(
        self, post: Post, settings: Settings, connection: psycopg.Connection
    ) -> None:
        reachable = settings.FACTFOLD
        nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/nothing"
        settings.FACTFOLD = dataclasses.replace(reachable, database_url=nowhere)
        with write_pool(nowhere):
            refused = post("/RegisterCompany", APPLE, **{"Idempotency-Key": "k"})
        settings.FACTFOLD = reachable

        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert refused.headers["retry-after"]
        assert post("/RegisterCompany", APPLE, **{"Idempotency-Key": "k"}).status_code == 202

    def test_a_session_lost_since_the_last_command_is_replaced(
        self, post: Post, settings: Settings, connection: psycopg.Connection
    ) -> None:
        post("/RegisterCompany", APPLE)
        pool = write_pool(settings.FACTFOLD.database_url)
        sessions = [idle.info.backend_pid for idle in pool._pool]
        connection.execute("select pg_terminate_backend(pid, 5000) from unnest(%s) as pid", [sessions])

        assert post("/RegisterCompany", APPLE).status_code == 202

    def test_a_key_with_a_blank_is_no_key(self, post: Post) -> None:
        answer = post("/RegisterCompany", APPLE, **{"Idempotency-Key": "a b"})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")

    def test_a_foreign_host_is_refused(self, connection: psycopg.Connection, client: Client) -> None:
        answer = client.post(
            "/v1/commands/RegisterCompany",
            json.dumps(APPLE),
            content_type="application/json",
            headers={"host": "rebound.example"},
        )

        assert answer.status_code == 400

    def test_an_id_nobody_was_given_is_unknown(self, connection: psycopg.Connection) -> None:
        answers = [get(f"/v1/commands/{unknown}") for unknown in ("event-99", "99", "nothing", "%00", "ReportFiling")]

        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "unknown_command_id")}


class TestWhereOthersAreWriting:
    @pytest.fixture
    def hold(self, posted_apple: Post, connect: Callable[[], psycopg.Connection]) -> Callable[..., Any]:
        """Holds companies for the length of a block."""

        @contextmanager
        def holding(*ciks: int) -> Iterator[None]:
            holder = connect()
            with holder.transaction():
                lock_streams(holder, [f"company-{cik}" for cik in ciks])
                yield

        return holding

    @pytest.fixture
    def _impatient(self, posted_apple: Post, settings: Settings) -> Iterator[None]:
        """The sessions at hand wait less long than they do in earnest."""
        sessions = list(write_pool(settings.FACTFOLD.database_url)._pool)
        for session in sessions:
            session.execute("set lock_timeout = '50ms'")
        yield
        for session in sessions:
            session.execute("reset lock_timeout")

    @pytest.mark.parametrize("address", ["/RenameCompany", ""])
    @pytest.mark.usefixtures("_impatient")
    def test_a_command_waits_only_so_long_and_has_no_effect(
        self, post: Post, connection: psycopg.Connection, hold: Callable[..., Any], address: str
    ) -> None:
        renamed = {"cik": 320193, "name": "Apple"}
        body = renamed if address else [{"command": "RenameCompany", **renamed}]
        before = rows_written(connection)

        with hold(320193):
            answer = post(address, body, **{"Idempotency-Key": "k"})

        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer.headers["retry-after"]
        assert rows_written(connection) == before
        assert post(address, body, **{"Idempotency-Key": "k"}).status_code in (200, 202)

    @pytest.mark.usefixtures("_impatient")
    def test_lines_of_a_batch_that_find_others_at_work_are_told_so_and_those_behind_them_wait(
        self, post: Post, hold: Callable[..., Any]
    ) -> None:
        for cik in (4, 5):
            post("/RegisterCompany", {"cik": cik, "name": f"{cik}"})
        ciks = [320193] * 200 + [4] * 200 + [4, 5]
        lines = [{"command": "RenameCompany", "cik": cik, "name": f"{place}"} for place, cik in enumerate(ciks)]

        with hold(4):
            answer = post("", lines)

        told = answer.json()
        assert (answer.status_code, told["accepted"], told["refused"]) == (200, 201, 201)
        assert [line["status"] for line in told["data"]] == [202] * 200 + [503] * 201 + [202]
        assert told["data"][400]["problem"]["code"] == "busy"

    def test_batches_with_keys_do_not_wait_for_each_other_in_a_circle(
        self, post: Post, connection: psycopg.Connection, hold: Callable[..., Any]
    ) -> None:
        post("/RegisterCompany", {"cik": 4, "name": "Four"})

        def lines(first: int, last: int) -> list[dict[str, Any]]:
            ciks = [first] * 200 + [last]
            return [{"command": "RenameCompany", "cik": cik, "name": f"{place}"} for place, cik in enumerate(ciks)]

        with ThreadPoolExecutor(2) as senders:
            with hold(4, 320193):
                sent = [
                    senders.submit(post, "", lines(*ciks), **{"Idempotency-Key": f"{ciks[0]}-first"})
                    for ciks in ((4, 320193), (320193, 4))
                ]
                wait_until(lambda: waiting_for_locks(connection) == 2)
            answers = [answer.result() for answer in sent]

        assert [answer.json().get("accepted") for answer in answers] == [201, 201]


class TestBatch:
    LINES = "\n".join(
        [
            json.dumps({"command": "RegisterCompany", **APPLE}),
            '{"command": "ReportFiling", "cik": 320193',
            "",
            json.dumps({"command": "ReportFiling", **with_fact(end="2020-01-01")}),
            json.dumps({"command": "ReportFiling", **FILING}),
            json.dumps({"command": "ReportFiling", **FILING, "cik": 4}),
            json.dumps({"command": "Report", **FILING}),
            "[]",
        ]
    )

    def test_each_line_fails_alone_and_is_named_by_its_number(self, post: Post, connection: psycopg.Connection) -> None:
        answer = post("", self.LINES, content_type="application/x-ndjson")

        told = answer.json()
        assert answer.status_code == 200
        assert (told["accepted"], told["refused"]) == (2, 5)
        assert [(line["line"], line["status"]) for line in told["data"]] == [
            (1, 202),
            (2, 400),
            (4, 422),
            (5, 202),
            (6, 404),
            (7, 404),
            (8, 400),
        ]
        assert told["data"][2]["problem"]["errors"][0]["pointer"] == "/facts/1/end"
        assert rows_written(connection)[:2] == [1, 2]

    def test_an_array_is_a_batch_too(self, post: Post) -> None:
        answer = post("", [{"command": "RegisterCompany", **APPLE}, {"command": "ReportFiling", **FILING}, 5])

        assert [(line["line"], line["status"]) for line in answer.json()["data"]] == [(1, 202), (2, 202), (3, 400)]

    def test_with_a_key_has_its_effect_once(self, post: Post, connection: psycopg.Connection) -> None:
        first = post("", self.LINES, content_type="application/x-ndjson", **{"Idempotency-Key": "b"})
        before = rows_written(connection)

        second = post("", self.LINES, content_type="application/x-ndjson", **{"Idempotency-Key": "b"})

        assert second.content == first.content
        assert rows_written(connection) == before
        assert get("/v1/commands/b").json()["response"] == first.json()

    def test_with_a_key_stands_where_its_last_event_does(self, post: Post, connection: psycopg.Connection) -> None:
        lines = [{"command": "RegisterCompany", "cik": cik, "name": f"{cik}"} for cik in (7, 8, 7)]
        post("", [*lines, {}], **{"Idempotency-Key": "b"})

        before = get("/v1/commands/b").json()
        sequence_pending(connection)
        after = get("/v1/commands/b").json()

        assert (before["state"], before["position"]) == ("accepted", None)
        assert (after["state"], after["position"]) == ("sequenced", 2)

    def test_without_an_event_waits_for_no_position(self, post: Post) -> None:
        post("", [{}], **{"Idempotency-Key": "b"})

        found = get("/v1/commands/b").json()

        assert (found["state"], found["position"]) == ("sequenced", None)

    def test_a_line_may_expect_a_version_and_sees_the_lines_before_it(
        self, posted_apple: Post, connection: psycopg.Connection
    ) -> None:
        named = {"command": "RenameCompany", "cik": 320193}
        unregistered = {"command": "RegisterCompany", "cik": 4, "name": "Four"}

        answer = posted_apple(
            "",
            [
                {**named, "name": "Two", "expected_version": 1},
                {**named, "name": "Three", "expected_version": 1},
                {**named, "name": "Four", "expected_version": 2},
                {**named, "name": "Five", "expected_version": "3"},
                {**unregistered, "expected_version": 3},
                {**unregistered, "expected_version": None},
            ],
        )

        lines = answer.json()["data"]
        assert [line["status"] for line in lines] == [202, 409, 202, 422, 409, 202]
        assert lines[1]["problem"]["code"] == "version_conflict"
        assert [error["pointer"] for error in lines[3]["problem"]["errors"]] == ["/expected_version"]

    def test_a_company_expected_but_not_there_is_not_opened(self, post: Post, connection: psycopg.Connection) -> None:
        lines = [
            {"command": "RegisterCompany", "expected_version": 3, **APPLE},
            {"command": "RegisterCompany", "cik": 4, "name": "Four"},
        ]

        answer = post("", lines, **{"Idempotency-Key": "k"})

        assert [line["status"] for line in answer.json()["data"]] == [409, 202]
        assert connection.execute("select stream from events.stream").fetchall() == [("company-4",)]

    def test_an_object_is_no_batch(self, post: Post) -> None:
        answer = post("", APPLE)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [(b"", "application/x-ndjson"), (b"\n \n", "application/x-ndjson"), ([], "application/json")],
    )
    def test_without_a_command_is_refused_and_leaves_its_key_free(
        self, post: Post, connection: psycopg.Connection, body: Any, content_type: str
    ) -> None:
        answer = post("", body, content_type=content_type, **{"Idempotency-Key": "b"})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")
        assert rows_written(connection) == [0] * 7
