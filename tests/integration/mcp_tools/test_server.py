"""MCP through real clients, over HTTP and standard input, held against REST."""

import json
import os
import sys
from decimal import Decimal
from itertools import product
from typing import Any

import msgspec
import psycopg
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from redis import Redis

from mcp_tools.answers import MAX_ANSWER_BYTES
from tests.fixtures.events import place_event, write_event
from tests.fixtures.figures import RESTATER
from tests.fixtures.plain_http import ERAS, Era, agent_at, asking_async
from tests.fixtures.real_filings import report
from tests.fixtures.restating import FIRST, RESTATEMENT, report_first, report_history

STANDING = "/v1/companies/{company}/standing"
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("search", {"query": "app"}, "/v1/search"),
    ("search", {"query": "margin", "kind": "metric", "limit": 3}, "/v1/search"),
    ("get_metrics", {"companies": ["AAPL", "MSFT"], "metrics": ["revenue", "net_income"], "last": 2}, "/v1/series"),
    ("get_metrics", {"companies": [str(RESTATER)], "metrics": ["revenue"], "as_of": "2023-12-31"}, "/v1/series"),
    ("get_metrics", {"companies": ["AAPL"], "metrics": ["eps_diluted"], "from": "CY2020"}, "/v1/series"),
    ("get_metrics", {"companies": ["MSFT"], "metrics": ["gross_margin"], "period_type": "ttm"}, "/v1/series"),
    (
        "get_metrics",
        {"companies": ["AAPL"], "metrics": ["eps_diluted", "roe"], "adjust": "splits", "through": "predecessors"},
        "/v1/series",
    ),
    ("get_aggregates", {"metric": "revenue", "period": "CY2023"}, "/v1/aggregates"),
    ("get_aggregates", {"metric": "revenue", "period": "CY2023", "groups": ["services"]}, "/v1/aggregates"),
    ("get_aggregates", {"metric": "total_assets", "period": "CY2023"}, "/v1/aggregates"),
    (
        "get_aggregates",
        {"metric": "revenue", "period": "CY2023", "as_of": "2024-12-31", "stats": ["growth", "coverage"]},
        "/v1/aggregates",
    ),
    ("get_aggregates", {"metric": "revenue", "last": 2, "as_of": "2023-12-31", "members": "today"}, "/v1/aggregates"),
    ("get_changes", {"since_position": 0}, "/v1/changes"),
    ("get_changes", {"since_position": 33, "companies": ["AAPL"], "kinds": ["filing_reported"]}, "/v1/changes"),
    ("explain_value", {"company": "AAPL", "metric": "gross_margin", "period": "FY2023"}, "/v1/explain"),
    ("explain_value", {"company": str(RESTATER), "metric": "revenue", "period": "CY2022"}, "/v1/explain"),
    ("explain_value", {"company": "AAPL", "metric": "revenue", "period": "CY2010"}, "/v1/explain"),
    (
        "screen_companies",
        {"where": ["revenue > 2e11", "sector in manufacturing, services"], "columns": ["net_income", "roe"]},
        "/v1/screen",
    ),
    ("screen_companies", {"where": "revenue.rank(all) <= 2", "period": "CY2023", "limit": 1}, "/v1/screen"),
    ("get_rankings", {"metric": "revenue", "period": "CY2023", "order": "asc", "limit": 1}, "/v1/rankings"),
    ("get_standing", {"company": "AAPL", "metrics": ["revenue", "roe"], "group_by": ["all"]}, STANDING),
    ("get_data_status", {}, "/v1/status"),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("search", {}, "/v1/search"),
    ("get_metrics", {"companies": ["AAPLE"], "metrics": ["revenue"]}, "/v1/series"),
    ("get_metrics", {"companies": ["Delta Holdings"], "metrics": ["revenue"]}, "/v1/series"),
    ("get_metrics", {"companies": ["AAPL"], "metrics": ["revenues"]}, "/v1/series"),
    ("get_metrics", {"companies": ["AAPL"], "metrics": ["revenue"], "last": 0}, "/v1/series"),
    ("get_metrics", {"companies": ["AAPL"], "metrics": ["revenue"], "period_type": "weekly"}, "/v1/series"),
    ("get_metrics", {"companies": ["AAPL"], "metrics": ["revenue"], "nonsense": "1"}, "/v1/series"),
    ("get_metrics", {"companies": ["AAPL", "MSFT\x00"], "metrics": ["revenue"]}, "/v1/series"),
    ("get_aggregates", {"metric": "revenue", "period": "FY2023"}, "/v1/aggregates"),
    ("explain_value", {"company": str(RESTATER), "metric": "revenue", "period": "2022-12-31"}, "/v1/explain"),
    ("screen_companies", {"where": ["revenu > 1", "sector = "]}, "/v1/screen"),
    ("get_data_status", {"min_position": "event-9"}, "/v1/status"),
]


def in_url(arguments: dict[str, Any], path: str) -> dict[str, str | list[str]]:
    """The same arguments as REST takes them: lists with commas, conditions each by itself, none that the path has."""
    return {
        name: v if name == "where" else ",".join(v) if isinstance(v, list) else str(v)
        for name, v in arguments.items()
        if f"{{{name}}}" not in path
    }


def as_rest(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a tool's answer in the shape of REST with numbers=text, where each period has a row of its own."""
    nested = answer.get("nested_columns", {})
    rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
    for row in rows:
        for name, columns in nested.items():
            row[name] = [dict(zip(columns, inner, strict=True)) for inner in row[name]]
    if "periods" not in nested:
        return rows
    none = dict.fromkeys(nested["periods"])
    return [{**row, **period} for row in rows for period in row.pop("periods") or [none]]


@pytest.mark.parametrize("era", ERAS)
class TestSameFigures:
    @pytest.mark.parametrize(("tool", "arguments", "path"), CASES)
    async def test_over_rest_and_mcp(
        self, api_url: str, era: Era, tool: str, arguments: dict[str, Any], path: str
    ) -> None:
        async with asking_async(api_url) as rest, agent_at(api_url, era) as agent:
            over_rest = (
                await rest.get(path.format_map(arguments), params={**in_url(arguments, path), "numbers": "text"})
            ).json()
            over_mcp = await agent.call_tool(tool, arguments)

        assert not over_mcp.is_error
        assert json.loads(over_mcp.content[0].text) == over_mcp.structured_content  # type: ignore[union-attr]  # text by contract
        assert over_mcp.structured_content is not None
        assert as_rest(over_mcp.structured_content) == over_rest["data"]
        # Who asks second may be given the answer that was kept for the first.
        assert {**over_mcp.structured_content["meta"], "source": None} == {**over_rest["meta"], "source": None}

    @pytest.mark.parametrize(("tool", "arguments", "path"), REFUSED)
    async def test_and_the_same_refusals(
        self, api_url: str, era: Era, tool: str, arguments: dict[str, Any], path: str
    ) -> None:
        async with asking_async(api_url) as rest, agent_at(api_url, era) as agent:
            problem = (await rest.get(path.format_map(arguments), params=in_url(arguments, path))).json()
            refused = await agent.call_tool(tool, arguments)

        told = json.loads(refused.content[0].text)  # type: ignore[union-attr]  # text by contract
        assert refused.is_error
        assert told == {
            "code": problem["code"],
            "message": problem["detail"],
            "fix": problem["fix"],
            "candidates": problem.get("candidates", []),
        }


@pytest.fixture
def acme_url(connection: psycopg.Connection, redis: Redis, _served: str) -> str:
    """The address of a front door over two companies, of which one has reported: it is at position 3."""
    report_first(connection, redis)
    return _served


class TestChanges:
    async def test_of_one_filing_that_are_more_than_an_answer_holds_lead_on_until_all_are_told(
        self, acme_url: str, connection: psycopg.Connection, redis: Redis, subtests: pytest.Subtests
    ) -> None:
        report_history(connection, redis)

        for era, limit in product(ERAS, (100, 1000)):
            asked: dict[str, Any] = {"since_position": 4, "limit": limit}
            pages: list[dict[str, Any]] = []
            cursor: str | None = None
            async with asking_async(acme_url) as rest, agent_at(acme_url, era) as agent:
                over_rest = (await rest.get("/v1/changes", params={**asked, "numbers": "text"})).json()
                while not pages or cursor is not None:
                    answer = await agent.call_tool("get_changes", {**asked, "cursor": cursor})
                    assert answer.structured_content is not None, answer.content
                    pages.append(answer.structured_content)
                    cursor = answer.structured_content["meta"]["next_cursor"]

            with subtests.test(era=era, limit=limit):
                assert [row for page in pages for row in as_rest(page)] == over_rest["data"]
                assert max(len(msgspec.json.encode(page)) for page in pages) <= MAX_ANSWER_BYTES
                assert [page["meta"]["position"] for page in pages] == [4] * (len(pages) - 1) + [5]
                assert all("go on with next_cursor" in page["meta"]["warnings"][0] for page in pages[:-1])
                assert len(pages) > 2

    @pytest.mark.parametrize("era", ERAS)
    async def test_take_a_line_for_each_metric(
        self, acme_url: str, connection: psycopg.Connection, redis: Redis, era: Era
    ) -> None:
        report(connection, redis, RESTATEMENT)
        asked = {"since_position": 3, "kinds": ["filing_reported", "figure_restated"]}

        async with agent_at(acme_url, era) as agent:
            answer = (await agent.call_tool("get_changes", asked)).structured_content

        assert answer is not None
        rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
        periods = answer["nested_columns"]["periods"]
        told = [
            (row["kind"], row["metric"], [dict(zip(periods, each, strict=True)) for each in row["periods"]])
            for row in rows
        ]
        year = {
            "period": "CY2023",
            "period_start": "2023-01-01",
            "period_end": "2023-12-31",
            "old_value": "1000",
            "value": "900",
            "old_accession": FIRST,
        }
        assert told == [
            ("filing_reported", None, []),
            ("figure_restated", "revenue", [year, {**year, "period": "CY2023Q4TTM"}]),
        ]


@pytest.mark.parametrize("era", ERAS)
class TestTools:
    async def test_are_exactly_the_operations_that_opt_in(self, api_url: str, era: Era) -> None:
        async with asking_async(api_url) as rest, agent_at(api_url, era) as agent:
            document = (await rest.get("/schema/openapi.json")).json()
            listed = [tool.name for tool in (await agent.list_tools()).tools]

        opted_in = {
            declared["x-mcp-tool"]["name"]
            for item in document["paths"].values()
            for declared in item.values()
            if "x-mcp-tool" in declared
        }
        assert listed == sorted(opted_in)
        assert listed == [
            "explain_value",
            "get_aggregates",
            "get_changes",
            "get_data_status",
            "get_metrics",
            "get_rankings",
            "get_standing",
            "screen_companies",
            "search",
        ]

    async def test_have_schemas_every_model_can_read(self, api_url: str, era: Era) -> None:
        async with agent_at(api_url, era) as agent:
            tools = (await agent.list_tools()).tools

        for tool in tools:
            text = json.dumps([tool.input_schema, tool.output_schema])
            assert "$ref" not in text
            assert '"type": [' not in text
            assert tool.input_schema["additionalProperties"] is False
            assert all(part["description"] for part in tool.input_schema["properties"].values())
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint

    async def test_cost_little_to_list(self, api_url: str, era: Era) -> None:
        async with agent_at(api_url, era) as agent:
            tools = (await agent.list_tools()).tools

        seen = [{"name": t.name, "description": t.description, "input_schema": t.input_schema} for t in tools]
        assert len(json.dumps(seen, separators=(",", ":"))) < 1_600 * len(tools)

    async def test_that_are_unknown_are_a_protocol_error(self, api_url: str, era: Era) -> None:
        async with agent_at(api_url, era) as agent:
            with pytest.raises(MCPError, match="Unknown tool"):
                await agent.call_tool("drop_tables", {})

    async def test_take_null_for_nothing(self, api_url: str, era: Era) -> None:
        async with agent_at(api_url, era) as agent:
            answer = await agent.call_tool("search", {"query": "app", "min_position": None})

        assert not answer.is_error

    @pytest.mark.parametrize("position", [40, "40", "event-7"])
    async def test_take_a_position_or_the_token_of_a_command(
        self, api_url: str, connection: psycopg.Connection, era: Era, position: object
    ) -> None:
        write_event(connection, 7)
        place_event(connection, 7, position=38)

        async with agent_at(api_url, era) as agent:
            answer = await agent.call_tool("search", {"query": "app", "min_position": position})

        assert not answer.is_error


class TestDoor:
    async def test_answers_post_only(self, api_url: str) -> None:
        async with asking_async(api_url) as rest:
            answers = [await rest.request(method, "/mcp") for method in ("GET", "DELETE", "PUT")]

        assert [(answer.status_code, answer.headers["allow"]) for answer in answers] == [(405, "POST")] * 3

    @pytest.mark.parametrize(
        ("headers", "status"),
        [({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)],
    )
    async def test_knows_its_own_names(self, api_url: str, headers: dict[str, str], status: int) -> None:
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accept = {"Accept": "application/json, text/event-stream"}

        async with asking_async(api_url) as rest:
            answer = await rest.post("/mcp", json=call, headers={**accept, **headers})

        assert answer.status_code == status

    async def test_refuses_half_a_character(self, api_url: str) -> None:
        asked = {"name": "search", "arguments": {"query": "\ud800"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked})
        headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

        async with asking_async(api_url) as rest:
            answer = await rest.post("/mcp", content=body, headers=headers)

        assert (answer.status_code, answer.json()["error"]["message"][:11]) == (400, "Parse error")

    async def test_reads_no_endless_bodies(self, api_url: str) -> None:
        async with asking_async(api_url) as rest:
            answer = await rest.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "x" * 70_000})

        assert answer.status_code == 413


class TestStandardInput:
    @pytest.mark.parametrize("era", ERAS)
    async def test_gives_the_same_answers_and_asks_for_no_key(
        self, api_url: str, database_url: str, redis_url: str, era: Era
    ) -> None:
        closed = {"FACTFOLD_ANONYMOUS": "false", "FACTFOLD_SECRET_KEY": "s"}
        environ = {**os.environ, **closed, "DATABASE_URL": database_url, "REDIS_URL": redis_url}
        server = StdioServerParameters(command=sys.executable, args=["-m", "django", "mcp_stdio"], env=environ)

        async with Client(stdio_client(server), mode=era) as agent:
            answer = await agent.call_tool("get_metrics", {"companies": ["AAPL"], "metrics": ["revenue"], "last": 1})

        assert answer.structured_content is not None
        (row,) = as_rest(answer.structured_content)
        assert Decimal(row["value"]) == 383285000000
        assert row["accession"] == "0000320193-23-000106"
