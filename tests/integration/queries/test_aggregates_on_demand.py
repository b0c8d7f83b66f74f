"""Figures over groups as of an instant, of members of then, with growth and coverage: held against plain Python."""

import csv
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from itertools import product
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from redis import Redis

from projections.financials.classification import sector_of
from projections.financials.statistics import summarise
from queries.metrics.applicability import applies
from queries.metrics.catalogue import load_catalogue
from queries.metrics.groupings import GROUPINGS
from tests.fixtures.classed_companies import BEGINNING, Companies, make_companies, write_companies
from tests.fixtures.frames import fill_frames

AS_OF = [None, BEGINNING + timedelta(days=250), BEGINNING + timedelta(days=420), BEGINNING + timedelta(days=900)]
_EXPECTED_BY = ("revenue", "net_income", "total_assets")


@pytest.fixture
def companies(connection: psycopg.Connection) -> Companies:
    companies = make_companies(seed=5, count=60)
    write_companies(connection, companies)
    return companies


@pytest.fixture
async def asking(connection: psycopg.Connection, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    from tests.fixtures.read_api import asgi_client, running_read_api

    async with running_read_api() as app, asgi_client(app) as client:
        yield client


async def rows(client: httpx.AsyncClient, **asked: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/aggregates", params={"metric": "revenue", "numbers": "text", **asked})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def worked_out(
    companies: Companies, *, metric: str, group_by: str, then: bool, as_of: datetime | None
) -> Iterator[dict[str, Any]]:
    """The rows of CY2023 as they must be, each group from a list of its members."""
    known = load_catalogue().by_key()[metric]
    held = companies.frame(metric, known.unit, 2023, as_of)
    before = companies.frame(metric, known.unit, 2022, as_of)
    others: dict[int, list[Any]] = defaultdict(list)
    for value in companies.values:
        if value.metric in {*_EXPECTED_BY, metric} and value.year == 2023 and value.is_known(as_of):
            others[value.cik].append(value)
    members: dict[str, list[Any]] = defaultdict(list)
    absent: dict[str, list[str]] = defaultdict(list)
    for cik, found in others.items():
        since = held[cik].since if cik in held else max(each.since for each in found)
        of = companies.class_of(cik, (as_of or since) if then else None)
        group = of.group(group_by)
        if group is None:
            continue
        if not applies(known, of.sic) and (then or cik not in held):
            absent[group].append("not_applicable")
        elif cik in held:
            members[group].append(held[cik])
        else:
            stated = any(each.metric == metric for each in found)
            absent[group].append("other_unit" if stated else "not_reported")
    for group in sorted(members.keys() | absent.keys()):
        found = members[group]
        ascending = sorted((each.value, each.cik) for each in found)
        statistics = _statistics([value for value, _ in ascending])
        summed = known.unit == "USD"
        both = [(each.value, before[each.cik].value) for each in found if each.cik in before]
        parts = [each.parts for each in found if each.parts is not None]
        earlier = [before[each.cik].parts if each.parts and each.cik in before else None for each in found]
        both_parts = [(each.parts, was) for each, was in zip(found, earlier, strict=True) if each.parts and was]
        yield {
            **statistics,
            "sum": statistics["sum"] if summed else None,
            "group": group,
            "members": "then" if then else "today",
            "weighted": _ratio(sum(a for a, _ in parts), sum(b for _, b in parts)) if parts else None,
            "growth": _growth(both) if summed else None,
            "weighted_change": _change(both_parts),
            "expected": len(found) + len(absent[group]),
            **{reason: absent[group].count(reason) for reason in ("not_applicable", "other_unit", "not_reported")},
            "top": [cik for _, cik in ascending[::-1][:5]],
            "bottom": [cik for _, cik in ascending[:5]],
        }


def _statistics(ascending: list[Decimal]) -> dict[str, Any]:
    statistics = msgspec.structs.asdict(summarise(ascending or [Decimal(0)]))
    del statistics["sum_of_squares"]
    return statistics if ascending else {**dict.fromkeys(statistics), "n": 0}


def _growth(both: list[tuple[Decimal, Decimal]]) -> Decimal | None:
    before = sum((earlier for _, earlier in both), Decimal(0))
    return _ratio(sum((now for now, _ in both), Decimal(0)) - before, before) if before > 0 else None


def _change(both: list[tuple[tuple[Decimal, Decimal], tuple[Decimal, Decimal]]]) -> Decimal | None:
    if not both:
        return None
    above, below = sum(now[0] for now, _ in both), sum(now[1] for now, _ in both)
    above_before, below_before = sum(was[0] for _, was in both), sum(was[1] for _, was in both)
    # Denominators are positive there.
    with localcontext(prec=60):
        change = Decimal(above) / below - Decimal(above_before) / below_before
        return change.quantize(Decimal("1e-12"), rounding=ROUND_HALF_EVEN)


def _ratio(above: Any, below: Any) -> Decimal:
    return (Decimal(above) / Decimal(below)).quantize(Decimal("1e-12"), rounding=ROUND_HALF_EVEN)


def read(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its figures as numbers and its members as CIKs."""
    told = {name: value for name, value in row.items() if name not in ("metric", "unit", "group_by", "period")}
    for name, value in told.items():
        if isinstance(value, str) and name not in ("group", "members"):
            told[name] = Decimal(value)
    return {**told, **{end: [member["cik"] for member in row[end]] for end in ("top", "bottom")}}


class TestWorkedOut:
    @pytest.mark.parametrize("metric", ["revenue", "gross_profit", "net_margin"])
    @pytest.mark.parametrize("members", ["today", "then"])
    async def test_is_what_the_members_known_at_that_instant_give(
        self, asking: httpx.AsyncClient, companies: Companies, metric: str, members: str
    ) -> None:
        for group_by, as_of in product(GROUPINGS, AS_OF):
            asked = {"metric": metric, "group_by": group_by, "members": members, "stats": "growth,coverage"}
            if as_of is not None:
                asked["as_of"] = as_of.isoformat()

            told = await rows(asking, period="CY2023", **asked)

            expected = worked_out(companies, metric=metric, group_by=group_by, then=members == "then", as_of=as_of)
            assert [read(row) for row in told] == list(expected), (group_by, as_of)

    async def test_with_coverage_shows_groups_of_which_no_company_has_a_value(
        self, asking: httpx.AsyncClient, companies: Companies, connection: psycopg.Connection
    ) -> None:
        connection.execute(
            "delete from figures_v1.metric_value using figures_v1.company where metric_value.cik = company.cik "
            "and metric = 'gross_profit' and sector = 'finance'"
        )
        fill_frames(connection)
        asked = {"metric": "gross_profit", "group_by": "sector", "groups": "finance", "last": "5"}
        with_coverage = {**asked, "stats": "coverage"}

        told = await rows(asking, **with_coverage)
        exported = await asking.get("/v1/aggregates.csv", params=with_coverage)
        without = await rows(asking, **asked)

        assert [(row["period"], row["n"], row["top"], row["bottom"]) for row in told] == [
            ("CY2022", 0, [], []),
            ("CY2023", 0, [], []),
        ]
        assert {row[name] for row in told for name in ("sum", "mean", "min", "median", "max", "weighted")} == {None}
        for row in told:
            assert row["expected"] == row["not_applicable"] + row["not_reported"] > 0
        assert [(row["n"], row["mean"]) for row in csv.DictReader(io.StringIO(exported.text))] == [("0", "")] * 2
        assert without == []

    async def test_takes_members_of_then_unless_told_otherwise(
        self, asking: httpx.AsyncClient, companies: Companies
    ) -> None:
        as_of = str(AS_OF[1])

        default = await rows(asking, period="CY2023", as_of=as_of)

        assert default == await rows(asking, period="CY2023", as_of=as_of, members="then")
        assert default != await rows(asking, period="CY2023", as_of=as_of, members="today")
        assert {row["members"] for row in default} == {"then"}
        assert {row[name] for row in default for name in ("expected", "growth", "weighted_change")} == {None}

    async def test_of_several_periods_keeps_to_those_that_were_known(
        self, asking: httpx.AsyncClient, companies: Companies
    ) -> None:
        before_2023 = str(BEGINNING)

        known = await rows(asking, group_by="all", last=5, as_of=str(AS_OF[1]))
        earlier = await rows(asking, group_by="all", last=5, as_of=before_2023)
        nothing = await rows(asking, group_by="all", last=5, as_of="2001-01-01")

        assert [row["period"] for row in known] == ["CY2022", "CY2023"]
        assert [row["period"] for row in earlier] == ["CY2022"]
        assert nothing == []
        assert known[1:] == await rows(asking, group_by="all", period="CY2023", as_of=str(AS_OF[1]))
        assert known[1:] == await rows(asking, group_by="all", last=1, as_of=str(AS_OF[1]))

    async def test_of_some_groups_looks_for_their_periods(
        self, asking: httpx.AsyncClient, companies: Companies, connection: psycopg.Connection
    ) -> None:
        connection.execute(
            "delete from figures_v1.metric_value using figures_v1.company where metric_value.cik = company.cik "
            "and period = 'CY2023' and country = 'CA'"
        )

        told = await rows(asking, group_by="country", groups="CA", last=1, members="today", as_of=str(AS_OF[3]))

        assert [(row["group"], row["period"]) for row in told] == [("CA", "CY2022")]

    @pytest.mark.parametrize(
        ("asked", "pointer"),
        [
            ({"last": "13", "as_of": "2024-01-01"}, "last"),
            ({"last": "13", "stats": "growth"}, "last"),
            ({"stats": "mode"}, "stats"),
            ({"members": "tomorrow"}, "members"),
            ({"as_of": "soon"}, "as_of"),
        ],
    )
    async def test_refuses_what_it_cannot_work_out(
        self, asking: httpx.AsyncClient, asked: dict[str, str], pointer: str
    ) -> None:
        answer = await asking.get("/v1/aggregates", params={"metric": "revenue", **asked})

        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)


class TestSectors:
    def test_are_the_same_in_sql_for_every_code(self, connection: psycopg.Connection) -> None:
        codes = [None, *(f"{number:04d}" for number in range(10_000))]

        told = connection.execute("select code, figures_v1.sector_of(code) from unnest(%s::text[]) as code", (codes,))

        assert dict(told.fetchall()) == {code: sector_of(code) for code in codes}
