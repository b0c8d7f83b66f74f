"""Frames, page by page, held against a plain sort of what was written."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.fixtures.crowd import BEFORE_CORRECTION, CORRECTED_FROM, Member
from tests.fixtures.pages import walk

FRAME = "/v1/frames/revenue/CY2023"
KEYS: dict[str, Callable[[Member], Any]] = {
    "value": lambda member: (member.value, member.cik),
    "company": lambda member: (member.company.lower(), member.cik),
    "cik": lambda member: member.cik,
}


class TestFrame:
    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("sort", KEYS)
    async def test_pages_meet_every_company_once_in_the_order_asked_for(
        self, asking: httpx.AsyncClient, crowd: list[Member], sort: str, order: str
    ) -> None:
        rows = await walk(asking, FRAME, sort=sort, order=order, limit=7)

        expected = sorted(crowd, key=KEYS[sort], reverse=order == "desc")
        assert [row["cik"] for row in rows] == [member.cik for member in expected]
        assert [Decimal(row["value"]) for row in rows] == [member.value for member in expected]
        assert [row["company"] for row in rows] == [member.company for member in expected]

    async def test_keeps_to_a_group(self, asking: httpx.AsyncClient, crowd: list[Member]) -> None:
        for group_by, group in (("sector", "mining"), ("industry", "7372"), ("major_group", "35"), ("country", "CA")):
            rows = await walk(asking, FRAME, group_by=group_by, group=group)

            assert [row["cik"] for row in rows] == [m.cik for m in crowd if m.group(group_by) == group]

    async def test_shows_what_was_known_at_an_instant(self, asking: httpx.AsyncClient, crowd: list[Member]) -> None:
        rows = await walk(asking, FRAME, as_of=BEFORE_CORRECTION, sort="value")

        known = [(member.value, member.cik) for member in crowd[:-1]] + [(CORRECTED_FROM, crowd[-1].cik)]
        assert [(Decimal(row["value"]), row["cik"]) for row in rows] == sorted(known)

    async def test_names_where_a_value_comes_from(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(FRAME, params={"sort": "value", "order": "desc", "limit": 1})

        assert answer.json()["data"] == [
            {
                "company": "AAPL",
                "cik": 320193,
                "sector": "manufacturing",
                "industry": "3571",
                "metric": "revenue",
                "unit": "USD",
                "period": "CY2023",
                "period_end": "2023-09-30",
                "value": 383285000000,
                "accession": "0000320193-23-000106",
                "known_from": "2023-11-02T22:08:27Z",
                "flags": [],
                "members": "today",
            }
        ]
        assert answer.json()["meta"]["position"] == 40

    async def test_comes_as_csv(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/frames/total_assets/CY2022.csv", params={"sort": "company"})

        header, *rows = answer.text.splitlines()
        assert header.startswith("company,cik,sector,industry,metric,unit,period,period_end,value,accession")
        assert rows == []

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ({"group": "mining"}, "group_by"),
            ({"group_by": "sector"}, "group"),
            ({"group_by": "planet"}, "group_by"),
        ],
    )
    async def test_refuses_half_a_group(self, client: httpx.AsyncClient, asked: dict[str, str], told: str) -> None:
        answer = await client.get(FRAME, params=asked)

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, told)

    @pytest.mark.parametrize("period", ["FY2023", "CY2023Q4I", "2023-12-31"])
    async def test_refuses_periods_companies_do_not_share(self, client: httpx.AsyncClient, period: str) -> None:
        answer = await client.get(f"/v1/frames/revenue/{period}")

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "period")
