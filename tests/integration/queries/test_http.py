"""How answers travel: tags, freshness, forms, refusals."""

import dataclasses
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import anyio
import httpx
import psycopg
import pytest
from anyio.abc import TaskGroup

from tests.fixtures.events import place_event, write_event
from tests.fixtures.figures import set_freshness

SERIES = "/v1/companies/AAPL/series?metrics=revenue"
AGGREGATES = "/v1/aggregates?metric=revenue"


class TestTags:
    async def test_stay_while_nothing_changes(self, client: httpx.AsyncClient) -> None:
        first = await client.get(SERIES)
        second = await client.get(SERIES)

        assert first.headers["etag"] == second.headers["etag"]
        assert first.content == second.content
        assert not first.headers["etag"].startswith("W/")

    @pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
    async def test_that_still_stand_are_answered_with_304(self, client: httpx.AsyncClient, form: str) -> None:
        held = (await client.get(SERIES)).headers["etag"]

        answer = await client.get(SERIES, headers={"If-None-Match": form.format(held)})

        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == held

    async def test_change_with_the_figures_even_before_the_position_does(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        held = (await client.get(SERIES)).headers["etag"]
        figures.execute("update figures_v1.metric_value set value = 1 where cik = 320193 and metric = 'revenue'")

        answer = await client.get(SERIES, headers={"If-None-Match": held})

        assert answer.status_code == 200

    async def test_differ_between_representations(self, client: httpx.AsyncClient) -> None:
        number = await client.get(SERIES)
        text = await client.get(f"{SERIES}&numbers=text")

        assert number.headers["etag"] != text.headers["etag"]


class TestFreshness:
    async def test_stands_in_meta_and_headers(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(SERIES)

        assert answer.json()["meta"] == {
            "position": 40,
            "fresh_at": "2026-11-20T09:30:00.123Z",
            "lag_ms": 180,
            "complete": True,
            "as_of": None,
            "source": "postgres",
            "next_cursor": None,
            "warnings": [],
        }
        assert answer.headers["x-factfold-position"] == "40"
        assert answer.headers["cache-control"] == "public, max-age=10, stale-while-revalidate=60"

    async def test_says_when_something_is_parked(self, client: httpx.AsyncClient, figures: psycopg.Connection) -> None:
        set_freshness(figures, position=40, parked=1)

        answer = await client.get("/v1/status")

        assert answer.json()["meta"]["complete"] is False
        assert answer.json()["data"][0]["parked"] == 1

    async def test_is_waited_for(self, in_turn: httpx.AsyncClient, figures: psycopg.Connection) -> None:
        readers = Readers(in_turn)

        async with anyio.create_task_group() as group:
            readers.ask(group, "41", "40")
            before = await readers.answered("40")
            set_freshness(figures, position=41)

        assert before == {"40"}
        assert readers.told == {"40": (200, 40), "41": (200, 41)}

    async def test_that_does_not_come_is_told_after_a_bounded_wait(self, impatient: httpx.AsyncClient) -> None:
        answer = await impatient.get(f"{SERIES}&min_position=99")

        assert (answer.status_code, answer.json()["code"]) == (503, "position_not_reached")
        assert answer.json()["position"] == 40
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["x-factfold-position"] == "40"

    async def test_may_be_that_of_a_command_whose_event_has_none_yet(
        self, in_turn: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        readers = Readers(in_turn)
        for event_id in (7, 8):
            write_event(figures, event_id)

        async with anyio.create_task_group() as group:
            readers.ask(group, "event-7", "event-8", "40")
            while_not_placed = await readers.answered("40")
            # Whoever lets the second go sees where the first one's event stands.
            place_event(figures, 7, position=41)
            place_event(figures, 8, position=39)
            while_not_readable = await readers.answered("event-8")
            set_freshness(figures, position=41)

        assert while_not_placed == {"40"}
        assert while_not_readable == {"40", "event-8"}
        assert readers.told == {"40": (200, 40), "event-8": (200, 40), "event-7": (200, 41)}

    @pytest.mark.parametrize(
        ("token", "status", "code", "told"),
        [
            ("event-7", 503, "position_not_reached", "the figures stand at position 40, not yet at 41"),
            ("event-8", 503, "position_not_reached", "event-8 has no position yet; the figures stand at position 40"),
            ("event-9", 404, "unknown_command_id", "no command was answered with the token event-9"),
        ],
    )
    async def test_of_a_command_is_told_to_be_missing_after_a_bounded_wait(
        self, impatient: httpx.AsyncClient, figures: psycopg.Connection, token: str, status: int, code: str, told: str
    ) -> None:
        for event_id in (7, 8):
            write_event(figures, event_id)
        place_event(figures, 7, position=41)

        answer = await impatient.get(f"{SERIES}&min_position={token}")

        assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (status, code, told)

    @pytest.fixture
    async def impatient(self, figures: psycopg.Connection) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a read API that waits for a position only a moment."""
        async with client_that_waits(milliseconds=50) as client:
            yield client

    @pytest.fixture
    async def in_turn(
        self, figures: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[httpx.AsyncClient]:
        """
        A client of a read API that waits for a position as long as it takes, and has one connection: who needs it first
        has it first, so that of two who may go on at the same time the one who asked first is answered first.
        """
        monkeypatch.setattr("queries.tables.POOL_CONNECTIONS", 1)
        async with client_that_waits(milliseconds=30_000) as client:
            yield client


@asynccontextmanager
async def client_that_waits(*, milliseconds: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a read API that waits for a position so long."""
    from django.conf import settings

    from config.problem_details import problem_for
    from queries.rest.app import create_app
    from tests.fixtures.read_api import asgi_client

    app = create_app(dataclasses.replace(settings.FACTFOLD, min_position_wait_ms=milliseconds), problem_for)
    await app.startup()
    async with asgi_client(app) as client:
        yield client
    await app.shutdown()


class Readers:
    """Readers of figures that are as new as a position, or as the event of a token, who ask one after the other."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._answered: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)
        self.told: dict[str, tuple[int, int]] = {}
        """Status and position of the answers there are."""

    def ask(self, group: TaskGroup, *wanted: str) -> None:
        """This will have a reader ask for each."""
        for each in wanted:
            group.start_soon(self._read, each)

    async def answered(self, wanted: str) -> set[str]:
        """This will wait for a reader's answer, and give everybody who has one then."""
        await self._answered[wanted].wait()
        return set(self.told)

    async def _read(self, wanted: str) -> None:
        answer = await self._client.get(f"{SERIES}&min_position={wanted}")
        self.told[wanted] = answer.status_code, int(answer.headers["x-factfold-position"])
        self._answered[wanted].set()


class TestRefusals:
    @pytest.mark.parametrize(
        ("path", "status", "code", "pointer"),
        [
            ("/v1/nothing", 404, "not_found", None),
            ("/v1/companies/AAPL/", 404, "not_found", None),
            ("/v1/companies//series?metrics=revenue", 404, "not_found", None),
            ("/v1/series?metrics=revenue", 400, "missing_parameter", "companies"),
            ("/v1/series?companies=AAPL", 400, "missing_parameter", "metrics"),
            ("/v1/series?companies=AAPL&metrics=", 400, "invalid_parameter", "metrics"),
            ("/v1/status?nonsense=1", 400, "unknown_parameter", "nonsense"),
            ("/v1/status?min_position=-1", 400, "invalid_parameter", "min_position"),
            ("/v1/status?min_position=99999999999999999999", 400, "invalid_parameter", "min_position"),
            ("/v1/status?min_position=event-x", 400, "invalid_parameter", "min_position"),
            (f"{SERIES}&last=61", 400, "invalid_parameter", "last"),
            (f"{SERIES}&last=1.5", 400, "invalid_parameter", "last"),
            (f"{SERIES}&last=1&last=2", 400, "invalid_parameter", "last"),
            (f"{SERIES}&company=MSFT", 400, "invalid_parameter", "company"),
            (f"{SERIES}&period_type=weekly", 400, "invalid_parameter", "period_type"),
            (f"{SERIES}&as_of=yesterday", 400, "invalid_parameter", "as_of"),
            (f"{SERIES}&as_of=2024-01-01T00:00:00", 400, "invalid_parameter", "as_of"),
            (f"{SERIES}&as_of=9999-12-31", 400, "invalid_parameter", "as_of"),
            (f"{SERIES}&view=as_of", 400, "invalid_parameter", "as_of"),
            (f"{SERIES}&view=latest&as_of=2024-01-01", 400, "invalid_parameter", "view"),
            (f"{SERIES}&from=CY2020&to=CY2021&last=3", 400, "invalid_parameter", "last"),
            (f"{SERIES}&from=2020", 400, "invalid_parameter", "from"),
            (f"{SERIES}&from=CY2023&to=CY2022Q4", 400, "invalid_parameter", "from"),
            (f"{SERIES}&from=2023-01-02&to=2023-01-01", 400, "invalid_parameter", "from"),
            (f"{SERIES}&numbers=roman", 400, "invalid_parameter", "numbers"),
            ("/v1/companies/AAPL/series?metrics=nonsense", 404, "unknown_metric", None),
            ("/v1/companies/AAPL/series?metrics=selling_expense", 404, "unknown_metric", None),
            ("/v1/companies/%00/series?metrics=revenue", 400, "invalid_parameter", "company"),
            ("/v1/companies?q=%00", 400, "invalid_parameter", "q"),
            ("/v1/series?companies=AAPL%00&companies=MSFT&metrics=revenue", 400, "invalid_parameter", "companies"),
            (f"{AGGREGATES}&groups=a%00&groups=b", 400, "invalid_parameter", "groups"),
            ("/v1/companies?limit=0", 400, "invalid_parameter", "limit"),
            ("/v1/companies?industry=35", 400, "invalid_parameter", "industry"),
            ("/v1/aggregates?period=CY2023", 400, "missing_parameter", "metric"),
            ("/v1/aggregates?metric=nope&period=CY2023", 404, "unknown_metric", None),
            (f"{AGGREGATES}&period=CY0999Q1&as_of=2024-01-01&stats=growth", 400, "invalid_parameter", "period"),
            (f"/v1/companies?q={'x' * 9000}", 400, "invalid_parameter", ""),
            (f"/v1/companies/{'x' * 5000}", 400, "invalid_parameter", ""),
            (f"/v1/companies/{quote('𝔸' * 200)}", 404, "unknown_company", None),
        ],
    )
    async def test_name_the_place_and_the_repair(
        self, client: httpx.AsyncClient, path: str, status: int, code: str, pointer: str | None
    ) -> None:
        answer = await client.get(path)

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), problem
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["request_id"] == answer.headers["x-request-id"]
        assert problem["fix"]
        assert [error["pointer"] for error in problem["errors"]] == ([] if pointer is None else [pointer])

    async def test_tell_everything_that_is_wrong_at_once(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/aggregates?period=x&group_by=y&z=1")

        assert {error["pointer"] for error in answer.json()["errors"]} == {"period", "group_by", "z", "metric"}

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    async def test_of_other_methods_name_those_allowed(self, client: httpx.AsyncClient, method: str) -> None:
        answer = await client.request(method, "/v1/status")

        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"

    @pytest.mark.parametrize("accept", ["text/html", "application/xml, text/csv", "application/json;q=0"])
    async def test_of_other_forms_say_which_there_are(self, client: httpx.AsyncClient, accept: str) -> None:
        answer = await client.get("/v1/status", headers={"Accept": accept})

        assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")

    async def test_are_not_for_those_who_take_json_in_a_line_of_its_own(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/status", headers=[("Accept", "application/json"), ("Accept", "text/html")])

        assert answer.status_code == 200

    @pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, application/*;q=0.8", ""])
    async def test_are_not_for_those_who_take_json(self, client: httpx.AsyncClient, accept: str) -> None:
        answer = await client.get("/v1/status", headers={"Accept": accept})

        assert answer.status_code == 200

    async def test_for_a_database_that_is_away_come_in_time(self) -> None:
        from django.conf import settings

        from config.problem_details import problem_for
        from queries.rest.app import create_app
        from tests.fixtures.read_api import asgi_client

        nowhere = dataclasses.replace(settings.FACTFOLD, database_url="postgresql://nobody@127.0.0.1:1/none")
        app = create_app(nowhere, problem_for)
        app.sources.tables.wait_seconds = 0.05
        await app.startup()
        async with asgi_client(app) as client:
            answer = await client.get("/v1/status")
            alive = await client.get("/livez")
        await app.shutdown()

        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]
        assert alive.status_code == 200


class TestManners:
    async def test_head_is_get_without_body(self, client: httpx.AsyncClient) -> None:
        head = await client.head(SERIES)
        get = await client.get(SERIES)

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == get.headers["etag"]
        assert head.headers["content-length"] == str(len(get.content))

    async def test_options_tell_a_browser_what_it_may(self, client: httpx.AsyncClient) -> None:
        answer = await client.options("/v1/status", headers={"Origin": "https://dashboards.example"})

        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "If-None-Match".lower() in answer.headers["access-control-allow-headers"]

    @pytest.mark.parametrize(("sent", "kept"), [("req-1", True), ("x" * 65, False), ("a b", False)])
    async def test_request_ids_are_kept_where_they_are_safe(
        self, client: httpx.AsyncClient, sent: str, kept: bool
    ) -> None:
        answer = await client.get("/v1/status", headers={"X-Request-Id": sent})

        assert (answer.headers["x-request-id"] == sent) is kept

    async def test_the_documentation_page_needs_no_other_host(self, client: httpx.AsyncClient) -> None:
        page = await client.get("/docs")
        script = await client.get("/docs/swagger-ui-bundle.js")

        assert "://" not in page.text
        assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
        assert script.headers["content-type"].startswith("text/javascript")

    async def test_the_root_leads_to_the_documentation(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/")

        assert (answer.status_code, answer.headers["location"]) == (307, "/docs")

    async def test_documents_are_tagged(self, client: httpx.AsyncClient) -> None:
        first = await client.get("/schema/openapi.json")

        again = await client.get("/schema/openapi.json", headers={"If-None-Match": first.headers["etag"]})

        assert (first.json()["openapi"], again.status_code) == ("3.1.1", 304)
        assert {name: again.headers.get(name) for name in ("etag", "cache-control")} == {
            name: first.headers[name] for name in ("etag", "cache-control")
        }
