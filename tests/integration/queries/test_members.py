"""Who counts in which group, in every operation that compares companies: held against plain Python."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis

from queries.metrics.applicability import applies, company_kind
from queries.metrics.catalogue import load_catalogue
from queries.metrics.groupings import GROUPINGS
from tests.fixtures.classed_companies import BEGINNING, Class, Companies, Value, make_companies, write_companies

AS_OF = [None, BEGINNING + timedelta(days=250), BEGINNING + timedelta(days=700)]
METRIC = "gross_profit"
READINGS = [(members, as_of) for members, as_of in product(("today", "then"), AS_OF)]

type Counted = dict[int, tuple[Value, Class]]
"""What each company counts with, and as what."""


@pytest.fixture
def companies(connection: psycopg.Connection) -> Companies:
    companies = make_companies(seed=5, count=40)
    write_companies(connection, companies)
    return companies


@pytest.fixture
async def asking(connection: psycopg.Connection, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    from tests.fixtures.read_api import asgi_client, running_read_api

    async with running_read_api() as app, asgi_client(app) as client:
        yield client


def counted(companies: Companies, *, members: str, as_of: datetime | None) -> Counted:
    """Who counts by the metric in CY2023."""
    metric = load_catalogue().by_key()[METRIC]
    found: Counted = {}
    for cik, value in companies.frame(METRIC, metric.unit, 2023, as_of).items():
        of = companies.class_of(cik, (as_of or value.since) if members == "then" else None)
        if members == "today" or applies(metric, of.sic):
            found[cik] = (value, of)
    return found


def of_group(found: Counted, group_by: str, group: str | None) -> list[tuple[Decimal, int]]:
    """The members of a group, smallest first."""
    return sorted((value.value, cik) for cik, (value, of) in found.items() if of.group(group_by) == group)


def groups(found: Counted) -> list[tuple[str, str]]:
    """Every group somebody counts in, with its grouping."""
    places = {(group_by, of.group(group_by)) for group_by in GROUPINGS for _, of in found.values()}
    return sorted((group_by, group) for group_by, group in places if group is not None)


def reading(members: str, as_of: datetime | None) -> dict[str, str]:
    return {"members": members, **({"as_of": as_of.isoformat()} if as_of else {})}


async def rows(client: httpx.AsyncClient, path: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of an answer, all of which say who the members are."""
    answer = await client.get(path, params={"numbers": "text", "limit": 1000, **asked})
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["data"]
    assert {row["members"] for row in told} <= {asked["members"]}
    return told


class TestMembers:
    @pytest.mark.parametrize(("members", "as_of"), READINGS)
    async def test_of_frames_and_rankings_are_those_of_the_reading(
        self, asking: httpx.AsyncClient, companies: Companies, members: str, as_of: datetime | None
    ) -> None:
        found = counted(companies, members=members, as_of=as_of)

        for group_by, group in groups(found):
            asked = {**reading(members, as_of), "group_by": group_by, "group": group}
            frame = await rows(asking, f"/v1/frames/{METRIC}/CY2023", {**asked, "sort": "value"})
            ranking = await rows(
                asking, "/v1/rankings", {**asked, "metric": METRIC, "period": "CY2023", "order": "asc"}
            )

            expected = of_group(found, group_by, group)
            assert [(Decimal(row["value"]), row["cik"]) for row in frame] == expected
            assert [(Decimal(row["value"]), row["cik"]) for row in ranking] == expected
            assert {row["n"] for row in ranking} == {len(expected)}
            classes = [(found[cik][1].group("sector"), found[cik][1].sic) for _, cik in expected]
            assert [(row["sector"], row["industry"]) for row in frame] == classes

    @pytest.mark.parametrize(("members", "as_of"), READINGS)
    async def test_of_a_standing_are_those_of_the_reading(
        self, asking: httpx.AsyncClient, companies: Companies, members: str, as_of: datetime | None
    ) -> None:
        found = counted(companies, members=members, as_of=as_of)
        asked = {**reading(members, as_of), "metrics": METRIC, "period": "CY2023"}

        for cik in companies.classes:
            answer = await asking.get(f"/v1/companies/{cik}/standing", params={**asked, "numbers": "text"})

            told = [(row["group_by"], row["group"], row["rank"], row["n"]) for row in answer.json()["data"]]
            of = found[cik][1] if cik in found else companies.class_of(cik, as_of if members == "then" else None)
            for group_by, group, rank, n in told:
                values = [value for value, _ in of_group(found, group_by, of.group(group_by))]
                place = sum(value > found[cik][0].value for value in values) + 1 if cik in found else None
                placed = cik in found and of.group(group_by) is not None
                assert (group, rank, n) == (of.group(group_by), *((place, len(values)) if placed else (None, None)))

    @pytest.mark.parametrize(("members", "as_of"), READINGS)
    async def test_of_peers_are_those_of_the_reading(
        self, asking: httpx.AsyncClient, companies: Companies, members: str, as_of: datetime | None
    ) -> None:
        found = counted(companies, members=members, as_of=as_of)
        asked = {**reading(members, as_of), "size_metric": METRIC, "period": "CY2023", "by": "sector", "limit": 100}

        for cik, (own, of) in found.items():
            peers = await rows(asking, f"/v1/companies/{cik}/peers", asked)

            others = [
                each for value, each in of_group(found, "sector", of.group("sector")) if value > 0 and each != cik
            ]
            sector = of.group("sector")
            assert {row["group"] for row in peers} <= {sector}
            assert sorted(row["cik"] for row in peers) == (sorted(others) if own.value > 0 and sector else [])

    @pytest.mark.parametrize(("members", "as_of"), [("today", None), *(each for each in READINGS if each[1])])
    async def test_of_a_screen_are_those_of_the_reading(
        self, asking: httpx.AsyncClient, companies: Companies, members: str, as_of: datetime | None
    ) -> None:
        found = counted(companies, members=members, as_of=as_of)
        where = [f"{METRIC}.rank(sector) <= 3", "country = US"]

        told = await rows(asking, "/v1/screen", {**reading(members, as_of), "where": where, "period": "CY2023"})

        expected = {
            cik: (of.group("sector"), of.sic, of.country, of.size_class)
            for cik, (value, of) in found.items()
            if of.country == "US"
            and (sector := of.group("sector"))
            and sum(other > value.value for other, _ in of_group(found, "sector", sector)) < 3
        }
        assert {
            row["cik"]: (row["sector"], row["industry"], row["country"], row["size_class"]) for row in told
        } == expected

    async def test_are_those_of_then_with_an_instant_and_of_today_without(
        self, asking: httpx.AsyncClient, companies: Companies
    ) -> None:
        cik = next(iter(counted(companies, members="then", as_of=AS_OF[1])))
        paths = [
            f"/v1/frames/{METRIC}/CY2023",
            f"/v1/rankings?metric={METRIC}&period=CY2023",
            f"/v1/companies/{cik}/standing?metrics={METRIC}&period=CY2023",
            f"/v1/companies/{cik}/peers?size_metric={METRIC}&period=CY2023&by=sector",
            f"/v1/screen?where={METRIC}@CY2023>-9999",
        ]

        for path in paths:
            for as_of, members in ((None, "today"), (AS_OF[1], "then")):
                asked = {"as_of": as_of.isoformat()} if as_of else {}
                answer = await asking.get(httpx.URL(path).copy_merge_params(asked))
                said = await asking.get(httpx.URL(path).copy_merge_params({**asked, "members": members}))

                assert answer.json()["data"] == said.json()["data"], path
                assert {row["members"] for row in said.json()["data"]} <= {members}

    async def test_of_then_leave_out_whom_the_metric_made_no_sense_for_and_say_so(
        self, asking: httpx.AsyncClient, companies: Companies
    ) -> None:
        metric = load_catalogue().by_key()[METRIC]
        values = companies.frame(METRIC, metric.unit, 2023, None)
        banks = [
            cik
            for cik, value in values.items()
            if not applies(metric, companies.class_of(cik, value.since).sic)
            and applies(metric, companies.class_of(cik, None).sic)
        ]
        assert banks

        for cik in banks:
            asked = {"metrics": METRIC, "period": "CY2023", "group_by": "all", "members": "then"}
            (row,) = (await asking.get(f"/v1/companies/{cik}/standing", params=asked)).json()["data"]

            assert (row["reason"], row["value"], row["n"]) == ("not_applicable", None, None)

    async def test_of_then_are_refused_by_a_screen_without_an_instant(
        self, asking: httpx.AsyncClient, companies: Companies
    ) -> None:
        answer = await asking.get("/v1/screen", params={"where": "sector = finance", "members": "then"})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "members")


class TestKinds:
    def test_are_the_same_in_sql_for_every_code(self, connection: psycopg.Connection) -> None:
        codes = [None, *(f"{number:04d}" for number in range(10_000))]

        told = connection.execute(
            "select code, figures_v1.company_kind(code) from unnest(%s::text[]) as code", (codes,)
        )

        assert dict(told.fetchall()) == {code: company_kind(code) for code in codes}
