"""Figures over groups: from Redis, and the same from the tables when Redis has nothing to say."""

import json
from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest
from redis import Redis

from projections.redis_views import follow
from tests.fixtures.figures import set_freshness

REVENUE = "/v1/aggregates?metric=revenue&period=CY2023"


@pytest.fixture
def filled(figures: psycopg.Connection, redis: Redis) -> Redis:
    """A Redis that holds what the tables hold."""
    follow(figures, redis)
    return redis


async def ask(client: httpx.AsyncClient, path: str = REVENUE) -> httpx.Response:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer


class TestAggregates:
    async def test_come_from_redis_with_their_position(self, client: httpx.AsyncClient, filled: Redis) -> None:
        answer = await ask(client)

        assert answer.headers["x-factfold-source"] == answer.json()["meta"]["source"] == "redis"
        assert answer.headers["x-factfold-position"] == "40"
        assert [(row["group"], row["sum"]) for row in answer.json()["data"]] == [
            ("manufacturing", 383285000000),
            ("services", 211915000000),
        ]

    async def test_are_the_same_bytes_from_the_tables_after_flushall(
        self, client: httpx.AsyncClient, filled: Redis
    ) -> None:
        from_redis = await ask(client)

        filled.flushall()
        from_tables = await ask(client)

        assert from_tables.json()["meta"]["source"] == "postgres"
        assert from_tables.content.replace(b'"postgres"', b'"redis"') == from_redis.content

    async def test_come_from_redis_again_under_its_new_epoch(
        self, client: httpx.AsyncClient, figures: psycopg.Connection, filled: Redis
    ) -> None:
        await ask(client)
        filled.flushall()
        await ask(client)

        follow(figures, filled)
        answer = await ask(client)

        assert answer.json()["meta"]["source"] == "redis"

    async def test_never_come_from_an_epoch_that_has_ended(
        self, client: httpx.AsyncClient, figures: psycopg.Connection, filled: Redis
    ) -> None:
        await ask(client)
        old = filled.get("{ff}:epoch")
        assert isinstance(old, bytes)
        stale = {key: filled.dump(key) or b"" for key in filled.scan_iter(b"{ff}:%b:*" % old)}
        figures.execute("update figures_v1.group_aggregate set sum = 1 where group_key = 'services'")
        filled.delete("{ff}:epoch")
        follow(figures, filled)
        for key, held in stale.items():
            filled.restore(key, 0, held)

        answer = await ask(client)

        assert [row["sum"] for row in answer.json()["data"]] == [383285000000, 1]

    async def test_wait_for_the_tables_where_redis_lags_behind_the_position_asked_for(
        self, client: httpx.AsyncClient, figures: psycopg.Connection, filled: Redis
    ) -> None:
        set_freshness(figures, position=41)

        answer = await ask(client, f"{REVENUE}&min_position=41")

        assert (answer.json()["meta"]["position"], answer.json()["meta"]["source"]) == (41, "postgres")

    async def test_of_an_instant_metric_in_a_year_are_those_at_its_end(
        self, client: httpx.AsyncClient, filled: Redis
    ) -> None:
        answer = await ask(client, "/v1/aggregates?metric=total_assets&period=CY2023")

        assert [row["period"] for row in answer.json()["data"]] == ["CY2023Q4I"]
        assert answer.json()["meta"]["warnings"] == ["total_assets stands at an instant: CY2023 means CY2023Q4I"]

    async def test_of_some_groups_only_name_those_without_values(
        self, client: httpx.AsyncClient, filled: Redis
    ) -> None:
        answer = await ask(client, f"{REVENUE}&groups=services,mining")

        assert [row["group"] for row in answer.json()["data"]] == ["services"]
        assert answer.json()["meta"]["warnings"] == ["no values for group 'mining'"]

    async def test_take_groups_in_any_case(self, client: httpx.AsyncClient, filled: Redis) -> None:
        for more in ("", "&members=then"):
            answer = await ask(client, f"{REVENUE}&groups=Services{more}")

            assert [row["group"] for row in answer.json()["data"]] == ["services"]
            assert answer.json()["meta"]["warnings"] == []

    @pytest.mark.parametrize("more", ["", "&members=then"])
    async def test_of_nobody_say_so(self, client: httpx.AsyncClient, filled: Redis, more: str) -> None:
        answer = await ask(client, f"/v1/aggregates?metric=revenue&period=CY1999&group_by=all{more}")

        told = "no company has revenue in USD for CY1999"
        assert (answer.json()["data"], answer.json()["meta"]["warnings"]) == ([], [told])

    async def test_of_several_periods_come_oldest_first(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        figures.execute(
            "create temporary table earlier as select * from figures_v1.group_aggregate where metric = 'revenue'"
        )
        for period in ("CY2021", "CY2022", "CY2022Q4", "CY2022Q4TTM", "CY2023Q1TTM"):
            figures.execute("update earlier set period = %s", (period,))
            figures.execute("insert into figures_v1.group_aggregate select * from earlier")

        async def periods(question: str) -> list[str]:
            answer = await ask(client, f"/v1/aggregates?metric=revenue&group_by=all&{question}")
            return [row["period"] for row in answer.json()["data"]]

        assert await periods("last=2") == ["CY2022", "CY2023"]
        assert await periods("") == ["CY2021", "CY2022", "CY2023"]
        assert await periods("to=CY2022") == ["CY2021", "CY2022"]
        assert await periods("from=CY2022Q4&period_type=ttm") == ["CY2022Q4TTM", "CY2023Q1TTM"]
        assert await periods("from=CY2022&to=CY2022&period_type=quarterly") == ["CY2022Q4"]
        assert await periods("period=CY2022Q4TTM") == ["CY2022Q4TTM"]

    @pytest.mark.parametrize(
        ("question", "named"),
        [
            ("period=CY2022&last=2", "period"),
            ("from=CY2023&to=CY2022", "from"),
            ("from=FY2022", "from"),
            ("period_type=instant", "period_type"),
            ("period=CY2022&period_type=quarterly", "period_type"),
            ("period=CY2022Q3&period_type=ttm", "period_type"),
        ],
    )
    async def test_of_contradictory_periods_are_refused(
        self, client: httpx.AsyncClient, question: str, named: str
    ) -> None:
        answer = await client.get(f"/v1/aggregates?metric=revenue&{question}")

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, named)

    @pytest.mark.parametrize("source", ["redis", "postgres"])
    async def test_come_as_text_and_as_csv_from_either_source(
        self, client: httpx.AsyncClient, filled: Redis, source: str
    ) -> None:
        if source == "postgres":
            filled.flushall()

        text = await ask(client, f"{REVENUE}&group_by=all&numbers=text")
        csv = await ask(client, REVENUE.replace("aggregates", "aggregates.csv") + "&group_by=all")

        assert text.json()["data"][0]["sum"] == "595200000000"
        assert text.headers["x-factfold-source"] == source
        assert csv.text.splitlines()[1].startswith("revenue,USD,all,all,CY2023,2,595200000000,297600000000,")

    @pytest.mark.parametrize("period", ["CY2023Q4I", "FY2023", "2023-12-31", "2023", "CY2023Q5", "CY99", "CY2023Q3I"])
    async def test_of_other_periods_are_refused_with_the_right_form(
        self, client: httpx.AsyncClient, period: str
    ) -> None:
        answer = await client.get("/v1/aggregates", params={"metric": "revenue", "period": period})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
        assert "CY2023" in answer.json()["errors"][0]["fix"]


class TestWithoutRedis:
    @pytest.fixture
    async def lonely(self, figures: psycopg.Connection) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a read API whose Redis is nowhere."""
        import dataclasses

        from django.conf import settings

        from config.problem_details import problem_for
        from queries.rest.app import create_app
        from tests.fixtures.read_api import asgi_client

        app = create_app(dataclasses.replace(settings.FACTFOLD, redis_url="redis://127.0.0.1:1/0"), problem_for)
        await app.startup()
        async with asgi_client(app) as client:
            yield client
        await app.shutdown()

    async def test_everything_is_still_answered(self, lonely: httpx.AsyncClient) -> None:
        aggregates = await ask(lonely)
        status = await ask(lonely, "/v1/status")

        assert aggregates.json()["meta"]["source"] == "postgres"
        assert status.json()["data"][0]["fast_path"] == "down"


class TestMembers:
    async def test_are_the_ends_of_the_group(self, client: httpx.AsyncClient, filled: Redis) -> None:
        answer = await ask(client, f"{REVENUE}&group_by=all")

        (row,) = answer.json()["data"]
        assert row["top"] == [
            {"company": "AAPL", "cik": 320193, "value": 383285000000},
            {"company": "MSFT", "cik": 789019, "value": 211915000000},
        ]
        assert [member["company"] for member in row["bottom"]] == ["MSFT", "AAPL"]


def test_the_rows_in_redis_are_plain_json(filled: Redis) -> None:
    keys = list(filled.scan_iter("{ff}:*:agg:*"))

    assert len(keys) == 4
    for key in keys:
        held = filled.get(key)
        assert isinstance(held, bytes)
        assert isinstance(json.loads(held), list)
