"""Standings from the tables and from Redis, held against plain arithmetic over what was written."""

import decimal
from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest
from redis import Redis

from projections.redis_views import follow
from queries.service.current_values import current_values
from queries.service.metrics import find_metrics
from tests.fixtures.crowd import BEFORE_CORRECTION, CORRECTED_FROM, Member
from tests.fixtures.figures import APPLE, NAMESAKE
from tests.fixtures.frames import fill_frames

if TYPE_CHECKING:
    from queries.rest.app import ReadApi

GROUPINGS = ["all", "sector", "major_group", "industry", "country", "size_class"]
EXACT = ["value", "percentile", "zscore", "median", "from_median"]
TWELVE = Decimal("1e-12")


def expected(crowd: Sequence[Member], member: Member, group_by: str) -> dict[str, Any]:
    """A member's place by the definitions, in as many digits as it takes."""
    group = member.group(group_by)
    nothing = dict.fromkeys(("rank", "n", "percentile", "zscore", "median", "from_median"))
    if group is None:
        return {**nothing, "group": None, "reason": "no_group"}
    values = [other.value for other in crowd if other.group(group_by) == group]
    with decimal.localcontext(prec=300):
        n = len(values)
        mean = sum(values, Decimal(0)) / n
        deviation = (sum(((value - mean) ** 2 for value in values), Decimal(0)) / n).sqrt()
        middle: Decimal = median(values)
        return {
            "group": group,
            "rank": 1 + sum(value > member.value for value in values),
            "n": n,
            "percentile": (Decimal(100) * sum(value <= member.value for value in values) / n).quantize(TWELVE),
            "zscore": ((member.value - mean) / deviation).quantize(TWELVE) if deviation else None,
            "median": middle,
            "from_median": member.value - middle,
            "reason": None,
        }


async def ask(client: httpx.AsyncClient, company: int | str, **asked: Any) -> tuple[str, list[dict[str, Any]]]:
    """Where the answer came from, and its rows."""
    asked = {"metrics": "revenue", "period": "CY2023", "numbers": "text", **asked}
    answer = await client.get(f"/v1/companies/{company}/standing", params=asked)
    assert answer.status_code == 200, answer.text
    rows = answer.json()["data"]
    for row in rows:
        row |= {name: Decimal(row[name]) for name in EXACT if row[name] is not None}
    return answer.json()["meta"]["source"], rows


class TestStanding:
    async def test_of_everybody_in_every_grouping_is_the_same_from_either_source(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        connection: psycopg.Connection,
        redis: Redis,
    ) -> None:
        follow(connection, redis)
        first, _ = await ask(asking, crowd[0].cik)
        await crowded_api.sources.background.settled()

        for member in crowd:
            source, rows = await ask(asking, member.cik)
            from_tables, same_rows = await ask(asking, member.cik, as_of="2030-01-01", members="today")

            wanted = [{"group_by": group_by, **expected(crowd, member, group_by)} for group_by in GROUPINGS]
            assert [{name: row[name] for name in wanted[0]} for row in rows] == wanted
            assert rows == same_rows
            assert (first, source, from_tables) == ("postgres", "redis", "postgres")

    @pytest.mark.parametrize("period", ["CY2023", "latest"])
    async def test_of_one_statement_is_that_of_a_snapshot(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        connection: psycopg.Connection,
        redis: Redis,
        period: str,
    ) -> None:
        _add_year_before(connection)
        follow(connection, redis)
        sources = crowded_api.sources
        members = [member for member in crowd if member.company.startswith("T")]
        references = [reference for member in members for reference in (str(member.cik), member.company.lower())]

        async def answers() -> list[tuple[str, list[dict[str, Any]]]]:
            return [await ask(asking, reference, period=period) for reference in references]

        await answers()
        await sources.background.settled()
        known = sources.tables.version
        at_once = [
            await current_values(sources, reference, find_metrics(["revenue"]), periods={}) for reference in references
        ]
        answered = await answers()
        sources.tables.version = 99
        by_snapshot = [await ask(asking, references[0], period=period)]
        remembered = sources.tables.version
        for reference in references[1:]:
            sources.tables.version = None
            by_snapshot.append(await ask(asking, reference, period=period))

        assert [found and (found.company.cik, found.own["revenue"].value) for found in at_once] == [
            (member.cik, member.value) for member in members for _ in range(2)
        ]
        assert answered == by_snapshot
        assert {source for source, _ in answered} == {"redis"}
        assert remembered == known

    async def test_is_not_read_in_one_statement_from_tables_that_are_no_longer_live(
        self, asking: httpx.AsyncClient, crowded_api: "ReadApi", crowd: list[Member], connection: psycopg.Connection
    ) -> None:
        asked = crowded_api.sources, str(crowd[0].cik), find_metrics(["revenue"])
        await ask(asking, crowd[0].cik)
        live = await current_values(*asked, periods={})
        connection.execute("update projections.projection set state = 'retired' where name = 'figures'")
        connection.execute("insert into projections.projection (name, version, state) values ('figures', 2, 'live')")

        assert live is not None
        assert await current_values(*asked, periods={}) is None

    async def test_is_refused_where_two_have_the_ticker_though_one_has_the_metrics(
        self,
        asking: httpx.AsyncClient,
        crowded_api: "ReadApi",
        crowd: list[Member],
        connection: psycopg.Connection,
        redis: Redis,
    ) -> None:
        follow(connection, redis)
        member = next(member for member in crowd if member.company.startswith("T"))
        await ask(asking, member.company)
        await crowded_api.sources.background.settled()
        other = "insert into figures_v1.company (cik, name, name_as_filed, tickers) values (7, 'X', 'X', array[%s])"
        connection.execute(other, [member.company])

        answer = await asking.get(f"/v1/companies/{member.company}/standing?metrics=revenue&period=CY2023")

        assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous_company")
        assert len(answer.json()["candidates"]) == 2

    async def test_as_of_an_instant_is_that_of_what_was_known(
        self, asking: httpx.AsyncClient, crowd: list[Member]
    ) -> None:
        _, (row,) = await ask(asking, crowd[-1].cik, as_of=BEFORE_CORRECTION, group_by="all", period="latest")

        larger = sum(member.value > CORRECTED_FROM for member in crowd[:-1])
        assert (row["value"], row["rank"], row["n"]) == (CORRECTED_FROM, larger + 1, len(crowd))

    async def test_is_that_of_the_latest_period_of_each_metric(self, client: httpx.AsyncClient) -> None:
        asked = {"metrics": "revenue,total_assets,gross_margin", "group_by": "all", "period": "latest"}
        _, rows = await ask(client, APPLE, **asked)

        assert [(row["metric"], row["period"], row["rank"], row["n"]) for row in rows] == [
            ("revenue", "CY2023", 1, 2),
            ("total_assets", "CY2023Q3I", 1, 1),
            ("gross_margin", "CY2023", 1, 1),
        ]
        assert rows[1]["zscore"] is None

    async def test_says_why_there_is_none(self, asking: httpx.AsyncClient, crowd: list[Member]) -> None:
        _, (absent, present) = await ask(asking, crowd[0].cik, metrics="net_income,revenue", group_by="all")
        _, (worked_out,) = await ask(asking, crowd[0].cik, metrics="net_margin", group_by="all", period="latest")

        assert (absent["reason"], absent["value"], absent["rank"], absent["group"]) == (
            "not_reported",
            None,
            None,
            "all",
        )
        assert (present["reason"], present["period"]) == (None, "CY2023")
        assert (worked_out["reason"], worked_out["period"]) == ("operand_missing:net_income", "CY2023")

    async def test_is_none_in_another_unit_and_none_without_any_period(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        figures.execute("update figures_v1.metric_value set unit = 'EUR' where unit = 'USD' and cik = %s", [APPLE])
        fill_frames(figures)

        _, (foreign,) = await ask(client, APPLE, group_by="all")
        _, latest = await ask(client, APPLE, metrics="revenue,dividends_paid", group_by="all", period="latest")
        _, (then,) = await ask(client, APPLE, group_by="all", period="latest", as_of="2022-12-31")
        _, (nothing,) = await ask(client, NAMESAKE, group_by="all", period="latest")

        assert (foreign["reason"], foreign["value"]) == ("other_unit", None)
        assert [(row["period"], row["reason"]) for row in latest] == [
            ("CY2023", "other_unit"),
            ("CY2023", "not_reported"),
        ]
        assert (then["period"], then["reason"]) == ("CY2022", "other_unit")
        assert (nothing["reason"], nothing["period"]) == ("not_reported", None)

    @pytest.mark.parametrize("asked", [{"group_by": "planet"}, {"period": "FY2023"}, {"period": "newest"}])
    async def test_refuses_what_is_no_group_or_period(self, client: httpx.AsyncClient, asked: dict[str, str]) -> None:
        answer = await client.get("/v1/companies/AAPL/standing", params={"metrics": "revenue", **asked})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, next(iter(asked)))


def _add_year_before(connection: psycopg.Connection) -> None:
    """Every value of the crowd was half of it in 2022."""
    connection.execute(
        """
        insert into figures_v1.metric_value (cik, revision, known_from, known_to, value, unit, calendar_offset, metric,
            period_type, period, period_start, period_end, duration_days, accession)
        select cik, revision, known_from, known_to, value / 2, unit, calendar_offset, metric, period_type, 'CY2022',
            period_start - 365, period_end - 365, duration_days, accession
        from figures_v1.metric_value
        """
    )
    fill_frames(connection)
