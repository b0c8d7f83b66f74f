"""Who is let in by the front door, over real HTTP: the same for every part behind it."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from jsonschema import Draft202012Validator
from mcp import Client, MCPError
from redis import Redis

from config.access import key_lookup
from config.access.keys import KEY_SCOPES, KeyScope
from config.access.management.commands.create_key import expiry_of
from projections.redis_views import follow
from queries.rest.openapi import build_document
from tests.fixtures.api_keys import bearer, given_key
from tests.fixtures.figures import write_figures
from tests.fixtures.filings import RegisterCompanyFactory
from tests.fixtures.front_door import front_door_beside
from tests.fixtures.plain_http import ERAS, NO_CERTIFICATES, Era, agent_at, asking
from tests.fixtures.real_filings import report
from tests.fixtures.restating import RESTATEMENT, report_first
from tests.fixtures.waiting import wait_until

APPLE = {"cik": 320193, "name": "Apple Inc."}
TOOLS = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
MCP_FORMS = {"Accept": "application/json, text/event-stream"}
PARTS: dict[str, tuple[KeyScope, str, str, Any]] = {
    "a read": ("read", "GET", "/v1/companies/AAPL", None),
    "an export": ("read", "GET", "/v1/companies/AAPL/series.csv?metrics=revenue", None),
    "the stream": ("read", "HEAD", "/v1/stream", None),
    "the tools": ("read", "POST", "/mcp", TOOLS),
    "a command": ("write", "POST", "/v1/commands/RegisterCompany", APPLE),
    "a batch": ("write", "POST", "/v1/commands", [{"command": "RegisterCompany", **APPLE}]),
    "what became of a command": ("write", "GET", "/v1/commands/event-1", None),
}
"""What the door leads to, the scope it takes, and a request for it."""
OPEN = ["/", "/docs", "/docs/swagger-ui.css", "/schema/openapi.json", "/livez", "/readyz", "/prometheus"]


@pytest.fixture
def figures(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """The connection to a database that holds the small set of figures."""
    write_figures(connection)
    follow(connection, redis)
    return connection


@pytest.fixture(scope="module")
def closed_door(database_url: str, redis_url: str) -> Iterator[str]:
    with front_door_beside(anonymous=frozenset(), log="json") as address:
        yield address


@pytest.fixture
def closed(figures: psycopg.Connection, closed_door: str) -> str:
    """The address of an installation with figures that lets nobody in without a key."""
    return closed_door


def ask(address: str, part: str, key: str | None = None) -> httpx.Response:
    """This will ask for a part, with a key or without."""
    _, method, path, body = PARTS[part]
    headers = MCP_FORMS if path == "/mcp" else {}
    with asking(address) as client:
        return client.request(method, path, json=body, headers=headers | (bearer(key) if key else {}))


def told(refused: httpx.Response) -> dict[str, Any]:
    """What a refusal says, in whichever form."""
    said = refused.json()
    if refused.request.url.path == "/mcp":
        return {name: said["error"]["data"][name] for name in ("code", "message", "fix")}
    return {"code": said["code"], "message": said["detail"], "fix": said["fix"]}


def declared_response(path: str, method: str, status: int) -> dict[str, Any]:
    """What the OpenAPI document says of an answer."""
    document = build_document("3.1.1")
    template = path.partition("?")[0].removesuffix(".csv").replace("AAPL", "{company}").replace("event-1", "{id}")
    response: dict[str, Any] = document["paths"][template][method]["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return response


def kept_as(connection: psycopg.Connection, kind: str | None) -> str | None:
    """A key that is not let in, for the reason its kind says."""
    if kind is None:
        return None
    scopes: tuple[KeyScope, ...] = ("write",) if kind == "of another scope" else ("read",)
    key = given_key(connection, *scopes, requests_a_minute=1 if kind == "used up" else None)
    if kind == "revoked":
        connection.execute("update access.api_key set revoked_at = now()")
    if kind == "unknown":
        connection.execute("delete from access.api_key")
    return key


class TestAClosedInstallation:
    @pytest.mark.parametrize("part", PARTS)
    def test_lets_nobody_in_without_a_key(self, closed: str, part: str) -> None:
        refused = ask(closed, part)

        scope = PARTS[part][0]
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == f'Bearer realm="factfold", scope="{scope}"'
        assert refused.headers["x-request-id"]

    @pytest.mark.parametrize("part", PARTS)
    @pytest.mark.parametrize("scope", KEY_SCOPES)
    def test_lets_a_key_do_what_its_scopes_say(
        self, closed: str, figures: psycopg.Connection, part: str, scope: KeyScope
    ) -> None:
        key = given_key(figures, scope)

        status = ask(closed, part, key).status_code

        if scope in (PARTS[part][0], "admin"):
            assert status in (200, 202, 404), status
        else:
            assert status == 403

    @pytest.mark.parametrize("path", OPEN)
    def test_shows_everybody_documents_and_health(self, closed: str, path: str) -> None:
        assert httpx.get(closed + path, follow_redirects=True, verify=NO_CERTIFICATES).status_code == 200

    def test_tells_everybody_where_nothing_stands(self, closed: str) -> None:
        answer = httpx.get(f"{closed}/.well-known/oauth-protected-resource", verify=NO_CERTIFICATES)

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    @pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/v1/", "/%761/status", "/v1%2Fstatus", "/v1/commands/"])
    def test_lets_nobody_in_by_another_spelling(self, closed: str, path: str) -> None:
        assert httpx.get(closed + path, verify=NO_CERTIFICATES).status_code == 401

    @pytest.mark.parametrize(
        "path", ["//v1/commands/event-1", "/docs/%2e%2e/v1/status", "/V1/status", "/schema/%2e%2e/v1"]
    )
    def test_has_no_way_around(self, closed: str, path: str) -> None:
        answer = httpx.get(closed + path, verify=NO_CERTIFICATES)

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_lets_a_browser_ask_what_it_may_send(self, closed: str) -> None:
        answer = httpx.options(
            f"{closed}/v1/status", headers={"Origin": "https://board.example"}, verify=NO_CERTIFICATES
        )

        assert answer.status_code == 204
        assert "authorization" in answer.headers["access-control-allow-headers"]

    def test_lets_a_browser_read_why_it_is_not_let_in(self, closed: str) -> None:
        refused = ask(closed, "a read")

        assert refused.headers["access-control-allow-origin"] == "*"
        assert "www-authenticate" in refused.headers["access-control-expose-headers"]

    def test_keeps_answers_from_shared_caches(self, closed: str, figures: psycopg.Connection) -> None:
        answer = ask(closed, "a read", given_key(figures, "read"))

        assert answer.headers["cache-control"].startswith("private, ")

    def test_writes_nothing_of_who_is_refused(self, closed: str, figures: psycopg.Connection) -> None:
        for key in (None, given_key(figures, "read")):
            ask(closed, "a batch", key)

        assert figures.execute("select count(*) from events.event").fetchone() == (0,)

    def test_streams_to_who_has_a_key(self, closed: str, figures: psycopg.Connection) -> None:
        headers = bearer(given_key(figures, "read"))

        with httpx.stream("GET", f"{closed}/v1/stream", headers=headers, timeout=30) as stream:
            first = next(stream.iter_lines())

        assert (stream.status_code, first) == (200, "retry: 1000")


class TestAStream:
    def test_ends_when_its_key_is_revoked(
        self, closed_door: str, connection: psycopg.Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(key_lookup, "KEPT_SECONDS", 0)
        report_first(connection, redis)
        headers = bearer(given_key(connection, "read"))

        with httpx.stream("GET", f"{closed_door}/v1/stream", headers=headers, timeout=30) as stream:
            lines = (line for line in stream.iter_lines() if line.startswith(("retry: ", "event: ", "data: ")))
            greeting = next(lines)
            report(connection, redis, RESTATEMENT)
            first = next(lines), next(lines)
            connection.execute("update access.api_key set revoked_at = now()")
            report(connection, redis, RegisterCompanyFactory.build())
            last = next(lines), next(lines)

        assert (greeting, first[0], last[0]) == ("retry: 1000", "event: changes", "event: end")
        assert '"code":"unauthenticated"' in last[1]


class TestEveryRefusal:
    @pytest.mark.parametrize("part", [part for part in PARTS if part != "the tools"])
    @pytest.mark.parametrize("kind", [None, "of no use", "used up"])
    def test_is_one_that_the_document_declares(
        self, closed: str, figures: psycopg.Connection, part: str, kind: str | None
    ) -> None:
        scope, method, path, _ = PARTS[part]
        other: KeyScope = "read" if scope == "write" else "write"
        scopes: tuple[KeyScope, ...] = (other,) if kind == "of no use" else (scope,)
        key = kind and given_key(figures, *scopes, requests_a_minute=1)
        if kind == "used up":
            ask(closed, part, key)

        refused = ask(closed, part, key)

        assert refused.status_code in (401, 403, 429)
        declared = declared_response(path, "get" if method == "HEAD" else method.lower(), refused.status_code)
        assert {name for name in declared["headers"] if name not in refused.headers} == set()
        if method != "HEAD":
            (schema,) = [form["schema"] for form in declared["content"].values()]
            components = build_document("3.1.1")["components"]
            Draft202012Validator({**schema, "components": components}).validate(refused.json())


class TestAKey:
    @pytest.mark.parametrize(
        ("named", "message"),
        [
            ({"expires_at": datetime(2026, 1, 31, tzinfo=UTC)}, "expired at 2026-01-31T00:00:00Z"),
            ({"expires_at": None}, "is not known here"),
        ],
    )
    def test_counts_while_it_is_kept_and_has_not_expired(
        self, closed: str, figures: psycopg.Connection, named: dict[str, Any], message: str
    ) -> None:
        key = given_key(figures, "read", now=datetime(2026, 1, 1, tzinfo=UTC), **named)
        if named["expires_at"] is None:
            figures.execute("delete from access.api_key")

        refused = ask(closed, "a read", key)

        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert message in refused.json()["detail"]
        assert refused.headers["www-authenticate"] == 'Bearer realm="factfold", error="invalid_token"'

    def test_that_was_revoked_counts_no_more(self, closed: str, figures: psycopg.Connection) -> None:
        key = given_key(figures, "admin")
        figures.execute("update access.api_key set revoked_at = '2026-01-31T12:00:00Z'")

        refused = ask(closed, "a read", key)

        assert refused.status_code == 401
        assert refused.json()["detail"] == "The API key was revoked at 2026-01-31T12:00:00Z."

    def test_with_a_last_day_counts_on_it(self, closed: str, figures: psycopg.Connection) -> None:
        now = datetime.now(UTC)
        key = given_key(figures, "read", expires_at=expiry_of(f"{now:%Y-%m-%d}", now=now))

        assert ask(closed, "a read", key).status_code == 200

    def test_with_another_ones_secret_is_unknown(self, closed: str, figures: psycopg.Connection) -> None:
        mine, other = given_key(figures, "read"), given_key(figures, "read")

        refused = ask(closed, "a read", mine[:16] + other[16:])

        assert refused.status_code == 401
        assert "is not known here" in refused.json()["detail"]

    def test_may_ask_as_often_as_its_rate_whatever_it_asks_for(self, closed: str, figures: psycopg.Connection) -> None:
        key = given_key(figures, "admin", requests_a_minute=2)
        asked = [ask(closed, part, key).status_code for part in ("a read", "a command")]

        refused = [ask(closed, part, key) for part in ("a read", "a command", "the tools")]

        assert asked == [200, 202]
        assert {answer.status_code for answer in refused} == {429}
        assert {told(answer)["code"] for answer in refused} == {"rate_limited"}
        assert all(1 <= int(answer.headers["retry-after"]) <= 30 for answer in refused)

    def test_pays_nothing_for_an_answer_it_holds(self, closed: str, figures: psycopg.Connection) -> None:
        headers = bearer(given_key(figures, "read", requests_a_minute=2))
        with asking(closed) as client:
            held = client.get("/v1/companies/AAPL", headers=headers).headers["etag"]
            unchanged = [
                client.get("/v1/companies/AAPL", headers={**headers, "If-None-Match": held}).status_code
                for _ in range(5)
            ]
            rest = [client.get("/v1/companies/AAPL", headers=headers).status_code for _ in range(2)]

        assert unchanged == [304] * 5
        assert rest == [200, 429]


@pytest.fixture(scope="module")
def open_door(database_url: str, redis_url: str) -> Iterator[str]:
    with front_door_beside() as address:
        yield address


class TestAnOpenInstallation:
    @pytest.fixture
    def opened(self, figures: psycopg.Connection, open_door: str) -> str:
        return open_door

    @pytest.mark.parametrize("part", PARTS)
    def test_lets_everybody_in(self, opened: str, part: str) -> None:
        assert ask(opened, part).status_code in (200, 202, 404)

    @pytest.mark.parametrize("part", PARTS)
    def test_takes_no_wrong_key(self, opened: str, figures: psycopg.Connection, part: str) -> None:
        key = given_key(figures, "admin")
        figures.execute("delete from access.api_key")

        assert ask(opened, part, key).status_code == 401

    def test_lets_a_key_do_no_more_than_its_scopes_say(self, opened: str, figures: psycopg.Connection) -> None:
        key = given_key(figures, "read")

        assert [ask(opened, part, key).status_code for part in ("a read", "a command")] == [200, 403]

    def test_lets_answers_be_shared(self, opened: str) -> None:
        assert ask(opened, "a read").headers["cache-control"].startswith("public, ")


@pytest.fixture(scope="module")
def half_open_door(database_url: str, redis_url: str) -> Iterator[str]:
    with front_door_beside(anonymous=frozenset({"read"})) as address:
        yield address


class TestAnInstallationOpenToReaders:
    @pytest.mark.parametrize("part", PARTS)
    def test_wants_a_key_of_who_writes(self, half_open_door: str, figures: psycopg.Connection, part: str) -> None:
        status = ask(half_open_door, part).status_code

        assert status == (401 if PARTS[part][0] == "write" else 200)


@pytest.fixture(scope="module")
def lonely(redis_url: str) -> Iterator[str]:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    with front_door_beside(anonymous=frozenset(), database_url=nowhere) as address:
        yield address


class TestADatabaseThatIsAway:
    @pytest.mark.parametrize("part", PARTS)
    def test_makes_no_key_a_wrong_one(self, lonely: str, connection: psycopg.Connection, part: str) -> None:
        refused = ask(lonely, part, given_key(connection, "admin"))

        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert "www-authenticate" not in refused.headers

    def test_keeps_nobody_from_being_asked_for_a_key(self, lonely: str) -> None:
        assert ask(lonely, "a read").status_code == 401


class TestAgents:
    @pytest.mark.parametrize("era", ERAS)
    async def test_are_answered_by_their_key(self, closed: str, figures: psycopg.Connection, era: Era) -> None:
        key = given_key(figures, "read")

        async with agent_at(closed, era, headers=bearer(key)) as agent:
            answer = await agent.call_tool("get_metrics", {"companies": ["AAPL"], "metrics": ["revenue"], "last": 1})

        assert not answer.is_error
        assert answer.structured_content is not None
        assert len(answer.structured_content["rows"]) == 1

    @pytest.mark.parametrize("era", ERAS)
    async def test_are_told_by_their_client_why_they_are_not_let_in(self, closed: str, era: Era) -> None:
        over_rest = told(ask(closed, "a read"))

        with pytest.raises((MCPError, BaseExceptionGroup)) as refused:
            async with Client(f"{closed}/mcp", mode=era):
                pass

        error: BaseException = refused.value
        while isinstance(error, BaseExceptionGroup):
            (error,) = error.exceptions
        assert isinstance(error, MCPError)
        assert error.error.message == f"{over_rest['message']} {over_rest['fix']}"
        assert error.error.data == {**over_rest, "candidates": []}

    @pytest.mark.parametrize("kind", [None, "unknown", "revoked", "of another scope", "used up"])
    def test_are_refused_as_readers_over_rest_are(
        self, closed: str, figures: psycopg.Connection, kind: str | None
    ) -> None:
        sent = kept_as(figures, kind)
        if kind == "used up":
            ask(closed, "a read", sent)

        over_rest, over_mcp = ask(closed, "a read", sent), ask(closed, "the tools", sent)

        assert over_rest.status_code == over_mcp.status_code >= 400
        assert told(over_rest) == told(over_mcp)
        for header in ("www-authenticate", "retry-after", "cache-control"):
            assert over_rest.headers.get(header) == over_mcp.headers.get(header)


def written(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines about commands, with what stands beside their message."""
    return [vars(record) for record in caplog.records if record.name == "config.asgi"]


class TestLogs:
    def test_name_the_key_of_who_sent_a_command(
        self, closed: str, figures: psycopg.Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "config.asgi")
        key = given_key(figures, "write")

        ask(closed, "a command", key)
        wait_until(lambda: len(written(caplog)) == 1)  # it is, once the answer has gone out
        ask(closed, "a command")
        wait_until(lambda: len(written(caplog)) == 2)

        assert [(line["status"], line["key"]) for line in written(caplog)] == [(202, key[3:15]), (401, None)]

    def test_hold_no_secret_whether_a_request_fails_or_not(
        self, closed: str, figures: psycopg.Connection, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        keys = [given_key(figures, "admin"), given_key(figures, "read", expires_at=datetime.now(UTC) + timedelta(1))]
        figures.execute("update access.api_key set revoked_at = now() where expires_at is not null")

        answers = [ask(closed, part, key) for key in [*keys, keys[0][:16] + keys[1][16:]] for part in PARTS]

        assert {answer.status_code for answer in answers} == {200, 202, 401}
        logged = "\n".join(json.dumps([record.getMessage(), vars(record)], default=str) for record in caplog.records)
        said = "\n".join(answer.text + str(answer.headers) for answer in answers)
        assert caplog.records
        assert [key for key in keys if key[16:] in logged + said] == []
