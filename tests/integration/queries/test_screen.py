"""Companies that fulfil conditions, held against a plain reading of the frames."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import httpx
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from projections.redis_views import follow
from queries.metrics.catalogue import load_catalogue
from queries.service.screen_grammar import (
    Between,
    Comparison,
    Condition,
    Figure,
    Measure,
    Membership,
    Sign,
    Standing,
)
from tests.fixtures.crowd import Member
from tests.fixtures.figures import APPLE, MICROSOFT, OTHER_NAMESAKE, RESTATER, set_freshness, write_figures
from tests.fixtures.frames import fill_classes, fill_frames

type Company = dict[str, Any]
type Frame = dict[int, Decimal]

METRICS = ("revenue", "net_income", "net_margin", "total_assets")
PERIODS = {
    "CY2023": (date(2023, 12, 31), 365),
    "CY2022": (date(2022, 12, 31), 365),
    "CY2023Q4I": (date(2023, 12, 31), 0),
}
BEFORE, AFTER = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 9, 1, tzinfo=UTC)
COMPANIES: list[Company] = [
    {
        "cik": 100 + number,
        "sector": [None, "manufacturing", "manufacturing", "services", "mining"][number % 5],
        "industry": [None, "2834", "2836", "7372", "1311"][number % 5],
        "country": [None, "US", "Viet Nam"][number % 3 if number % 4 else 0],
        "size_class": ["accelerated", None][number % 2],
    }
    for number in range(24)
]


class TestScreen:
    async def test_says_what_it_understood_and_how_each_condition_fared(self, client: httpx.AsyncClient) -> None:
        answer = await screened(client, where=["revenue > 2e11", "sector = manufacturing"], period="CY2023")

        assert [row["cik"] for row in answer["data"]] == [APPLE]
        assert answer["data"][0]["values"] == [
            {
                "figure": "revenue",
                "period": "CY2023",
                "unit": "USD",
                "value": 383285000000,
                "accession": "0000320193-23-000106",
            }
        ]
        assert answer["meta"]["screen"] == {
            "period": "CY2023",
            "companies": 6,
            "matching": 1,
            "conditions": [
                {
                    "where": "revenue > 2e11",
                    "meaning": "revenue of CY2023 is more than 200000000000 USD",
                    "passing": 2,
                    "lacking": 4,
                },
                {"where": "sector = manufacturing", "meaning": "sector is manufacturing", "passing": 1, "lacking": 1},
            ],
        }

    @pytest.mark.parametrize("asked", [{}, {"period": "latest"}])
    async def test_without_a_period_is_of_the_latest_full_year_with_values(
        self, client: httpx.AsyncClient, figures: psycopg.Connection, asked: dict[str, str]
    ) -> None:
        figures.execute("update figures_v1.metric_value set period = 'CY2023Q4I' where period = 'CY2023Q3I'")
        fill_frames(figures)

        flow = await screened(client, where=["revenue > 0"], **asked)
        balance = await screened(client, where=["total_assets > 0"], **asked)

        assert flow["meta"]["screen"]["period"] == balance["meta"]["screen"]["period"] == "CY2023"
        assert flow["meta"]["warnings"] == [
            "figures are those of CY2023, the latest full calendar year with values of revenue"
        ]
        assert balance["data"][0]["values"][0]["period"] == "CY2023Q4I"

    async def test_passes_over_a_year_few_have_reported_yet(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        figures.execute("delete from figures_v1.metric_value where period = 'CY2023' and cik = %s", [MICROSOFT])
        fill_frames(figures)

        answer = await screened(client, where=["revenue > 0"])

        assert answer["meta"]["screen"]["period"] == "CY2022"

    async def test_has_all_its_pages_of_the_year_it_began_with(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        later = "cik = %s and period = 'CY2023'"
        figures.execute(f"create table kept as select * from figures_v1.metric_value where {later}", [MICROSOFT])
        figures.execute(f"delete from figures_v1.metric_value where {later}", [MICROSOFT])
        fill_frames(figures)
        asked = {"where": ["revenue > 0"], "limit": 1}
        begun = await screened(client, **asked)
        figures.execute("insert into figures_v1.metric_value select * from kept")
        figures.execute("drop table kept")
        fill_frames(figures)
        set_freshness(figures, position=41)

        going_on = await screened(client, **asked, cursor=begun["next_cursor"])
        begun_anew = await screened(client, **asked)

        told = [
            (page["meta"]["screen"]["period"], page["meta"]["warnings"][0][:27])
            for page in (begun, going_on, begun_anew)
        ]
        assert told == [(year, f"figures are those of {year}") for year in ("CY2022", "CY2022", "CY2023")]

    async def test_of_groups_alone_needs_no_period(self, client: httpx.AsyncClient) -> None:
        answer = await screened(client, where=["sector != services"], order="asc")

        assert [row["cik"] for row in answer["data"]] == [APPLE, RESTATER, OTHER_NAMESAKE]
        assert answer["meta"]["screen"]["period"] is None
        assert answer["meta"]["screen"]["conditions"][0]["lacking"] == 1

    @pytest.mark.parametrize(
        ("comparison", "passing", "own"),
        [
            ("< {}", [RESTATER], False),
            ("<= {}", [RESTATER, MICROSOFT], True),
            ("> {}", [APPLE], False),
            (">= {}", [APPLE, MICROSOFT], True),
            ("= {}", [MICROSOFT], True),
            ("!= {}", [APPLE, RESTATER], False),
            ("between {} and {}", [MICROSOFT], True),
        ],
    )
    async def test_every_comparison_keeps_to_its_bound(
        self, client: httpx.AsyncClient, comparison: str, passing: list[int], own: bool
    ) -> None:
        revenue = "revenue@CY2022"

        with_number = await screened(client, where=[f"{revenue} {comparison.format(198270000000, 198270000000)}"])

        assert {row["cik"] for row in with_number["data"]} == set(passing)
        if "between" not in comparison:
            with_itself = await screened(client, where=[f"{revenue} {comparison.format(revenue)}"])
            assert with_itself["meta"]["screen"]["matching"] == (3 if own else 0)

    async def test_as_of_an_instant_uses_what_was_known_then(self, client: httpx.AsyncClient) -> None:
        asked = {"where": ["revenue between 950 and 2000"], "period": "CY2022"}

        now = await screened(client, **asked)
        then = await screened(client, **asked, as_of="2023-12-31")

        assert [row["cik"] for row in now["data"]] == []
        assert [(row["cik"], row["values"][0]["value"]) for row in then["data"]] == [(RESTATER, 1000)]

    async def test_shows_what_columns_name_and_absence_as_null(self, client: httpx.AsyncClient) -> None:
        answer = await screened(
            client,
            where=["revenue > 0"],
            period="CY2023",
            columns="gross_margin,revenue@CY2021,revenue.rank(all),net_income.percentile(sector)",
        )

        assert [[value["value"] for value in row["values"]] for row in answer["data"]] == [
            [383285000000, 0.441311817577, 365817000000, 1, 100],
            [211915000000, None, None, 2, 100],
        ]

    async def test_pages_go_on_without_gaps_and_descending_is_the_exact_reverse(
        self, client: httpx.AsyncClient
    ) -> None:
        asked = {"where": ["country = US"], "sort": "revenue@CY2022", "limit": 4}

        falling = [row async for row in paged(client, **asked)]
        rising = [row async for row in paged(client, **asked, order="asc")]

        assert falling == [APPLE, MICROSOFT, RESTATER, 9000003, 9000002, 1652044]
        assert rising == [RESTATER, MICROSOFT, APPLE, 1652044, 9000002, 9000003]

    async def test_a_group_nobody_is_in_is_remarked_with_near_ones(self, client: httpx.AsyncClient) -> None:
        answer = await screened(client, where=["sector in manufacturng, services"])

        assert answer["meta"]["warnings"] == ["no company is of sector 'manufacturng'; there is manufacturing"]

    async def test_of_groups_nobody_is_in_the_first_few_have_near_ones(self, client: httpx.AsyncClient) -> None:
        answer = await screened(client, where=["sector in service1, service2", "sector in service3, service4"])

        told = [warning.removeprefix("no company is of sector ") for warning in answer["meta"]["warnings"]]
        assert told == [*(f"'service{n}'; there is services" for n in (1, 2, 3)), "'service4'"]

    async def test_every_mistake_is_named_with_its_place(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(
            "/v1/screen",
            params={"where": ["revenue > 1", "revenu > 1", "roe >"], "sort": "x", "columns": "revenue,roe."},
        )

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (400, "invalid_parameter")
        assert [(error["pointer"], error["reason"].partition(":")[0]) for error in problem["errors"]] == [
            ("where[1]", "at character 1"),
            ("where[2]", "at character 6"),
            ("sort", "at character 1"),
            ("columns[1]", "at character 5"),
        ]

    @pytest.mark.parametrize(
        "asked",
        [
            {},
            {"where": []},
            {"where": ["revenue > 0"] * 9},
            {"where": ["revenue > 0"], "period": "FY2023"},
            {"where": ["revenue > 0"], "period": "CY2023Q3I"},
            {"where": ["revenue > 0\x00"]},
            {"where": ["revenue > 0"], "cursor": "WzFd"},
        ],
    )
    async def test_what_cannot_be_asked_is_refused(self, client: httpx.AsyncClient, asked: dict[str, Any]) -> None:
        answer = await client.get("/v1/screen", params=asked)

        assert answer.status_code == 400
        assert answer.json()["fix"]

    @pytest.mark.parametrize("key", ["x'; drop table company; --", "%", "\\", "{}", "$1", "%(cik)s", "null"])
    async def test_a_name_is_only_ever_a_value(self, client: httpx.AsyncClient, key: str) -> None:
        answer = await screened(client, where=[f'country = "{key}"'])

        assert answer["meta"]["screen"]["matching"] == 0
        assert (await screened(client, where=["country = US"]))["meta"]["screen"]["matching"] == 6


class TestStandings:
    @pytest.mark.parametrize("measure", ["rank", "percentile", "zscore"])
    async def test_are_to_the_last_digit_what_standing_says(
        self, asking: httpx.AsyncClient, crowd: list[Member], measure: str
    ) -> None:
        groupings = ["all", "sector", "industry", "country"]
        asked = {"columns": [f"revenue.{measure}({group_by})" for group_by in groupings], "numbers": "text"}

        rows = (await screened(asking, where=["revenue > -1e40"], period="CY2023", limit=100, **asked))["data"]

        assert len(rows) == len(crowd)
        for row in rows[::7]:
            told = await asking.get(
                f"/v1/companies/{row['cik']}/standing",
                params={"metrics": "revenue", "period": "CY2023", "group_by": ",".join(groupings), "numbers": "text"},
            )
            stated = [str(each[measure]) if each["rank"] else None for each in told.json()["data"]]
            assert [value["value"] for value in row["values"][1:]] == stated

    @pytest.mark.parametrize("order", ["asc", "desc"])
    @pytest.mark.parametrize("standing", ["rank(country)", "percentile(all)", "zscore(sector)"])
    async def test_page_by_page_are_the_same_as_at_once(
        self, asking: httpx.AsyncClient, crowd: list[Member], standing: str, order: str
    ) -> None:
        asked = {
            "where": ["country != XX"],
            "sort": f"revenue.{standing}",
            "order": order,
            "period": "CY2023",
            "numbers": "text",
        }

        at_once = (await screened(asking, **asked, limit=100))["data"]
        by_page = [cik async for cik in paged(asking, **asked, limit=7)]

        places = [(Decimal(row["values"][0]["value"]), row["cik"]) for row in at_once if row["values"][0]["value"]]
        lacking = [row["cik"] for row in at_once[len(places) :]]
        assert places == sorted(places, reverse=order == "desc")
        assert lacking == sorted(lacking, reverse=order == "desc")
        assert by_page == [row["cik"] for row in at_once]
        assert len(by_page) == len(crowd)


class TestColumns:
    """What companies stand for is kept in memory from one screen to the next."""

    ASKED: ClassVar = {"where": ["revenue.percentile(country) >= 50"], "period": "CY2023"}

    @pytest.fixture
    def kept(self, connection: psycopg.Connection, crowd: list[Member], redis: Redis) -> Redis:
        """A Redis whose epoch has begun, and changes of the crowd's cells are recorded: columns are kept."""
        follow(connection, redis)
        connection.cursor().executemany(
            "insert into figures_v1.aggregate_change values ('revenue', %s, 'CY2023', 1)", [("all",), ("country",)]
        )
        return redis

    async def kept_number(self, client: httpx.AsyncClient, connection: psycopg.Connection) -> int:
        """How many fulfil the condition; still told after values have gone of which no refresh has told."""
        before = await self.matching(client)
        connection.execute("delete from figures_v1.frame_value where cik % 2 = 0")
        set_freshness(connection, position=41)
        assert await self.matching(client) == before
        return before

    async def matching(self, client: httpx.AsyncClient) -> int:
        matching: int = (await screened(client, **self.ASKED))["meta"]["screen"]["matching"]
        return matching

    async def test_are_read_again_once_a_refresh_has_changed_their_cell(
        self, asking: httpx.AsyncClient, connection: psycopg.Connection, kept: Redis
    ) -> None:
        before = await self.kept_number(asking, connection)
        connection.execute("update figures_v1.aggregate_change set seq = 2")

        assert 0 < await self.matching(asking) < before

    async def test_are_read_again_in_another_epoch_and_without_any(
        self, asking: httpx.AsyncClient, connection: psycopg.Connection, kept: Redis
    ) -> None:
        before = await self.kept_number(asking, connection)
        kept.flushall()
        without = await self.matching(asking)
        follow(connection, kept)

        assert 0 < await self.matching(asking) == without < before


async def screened(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.get("/v1/screen", params=asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def paged(client: httpx.AsyncClient, **asked: Any) -> Any:
    cursor: dict[str, str] = {}
    while True:
        page = await screened(client, **asked, **cursor)
        for row in page["data"]:
            yield row["cik"]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


class TestAgainstPlainReading:
    def test_any_conditions_leave_the_same_companies(self, connection: psycopg.Connection, redis: Redis) -> None:
        from tests.fixtures.read_api import asgi_client, running_read_api

        write_figures(connection)
        write_companies(connection)
        frames = {
            (metric, period, as_of): frame(connection, metric, period, as_of)
            for metric in METRICS
            for period in PERIODS
            for as_of in (None, BEFORE)
        }
        with asyncio.Runner() as runner:
            running = running_read_api()
            client = asgi_client(runner.run(running.__aenter__()))

            @settings(max_examples=40, deadline=None)
            @given(
                conditions=st.lists(_CONDITIONS, min_size=1, max_size=8),
                sort=_FIGURES,
                order=st.sampled_from(["asc", "desc"]),
                as_of=st.sampled_from([None, BEFORE]),
            )
            def ask(conditions: list[Condition], sort: Figure, order: str, as_of: datetime | None) -> None:
                asked: dict[str, Any] = {
                    "where": [written(condition) for condition in conditions],
                    "period": "CY2023",
                    "sort": sort.text,
                    "order": order,
                    "limit": 1000,
                }
                if as_of:
                    asked["as_of"] = as_of.isoformat()

                told = runner.run(screened(client, **asked))

                expected = [fulfilled(condition, frames, as_of) for condition in conditions]
                everybody = len(COMPANIES)
                assert [(each["passing"], each["lacking"]) for each in told["meta"]["screen"]["conditions"]] == [
                    (len(passing), everybody - having) for passing, having in expected
                ]
                left = set.intersection(*(passing for passing, _ in expected))
                assert [row["cik"] for row in told["data"]] == in_order(left, measured(sort, frames, as_of), order)

            ask()
            runner.run(client.aclose())
            runner.run(running.__aexit__(None, None, None))


def write_companies(connection: psycopg.Connection) -> None:
    """Companies of every kind of group, with equal, missing, negative and restated values, some of two own years."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("set local search_path = figures_v1")
        cursor.execute("delete from company; delete from company_classification; delete from metric_value")
        cursor.executemany(
            "insert into company (cik, name, name_as_filed, sic, sector, industry, country, size_class) values "
            "(%(cik)s, 'C' || %(cik)s, '', %(industry)s, %(sector)s, %(industry)s, %(country)s, %(size_class)s)",
            COMPANIES,
        )
        cursor.executemany(
            "insert into metric_value (cik, metric, period_type, period, period_end, duration_days, calendar_offset, "
            "revision, known_from, known_to, value, unit, accession) values "
            "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'a')",
            list(_values()),
        )
    fill_classes(connection)
    fill_frames(connection)


def _values() -> Iterator[tuple[Any, ...]]:
    units = {metric.key: metric.unit for metric in load_catalogue().metrics}
    known = datetime(2024, 2, 1, tzinfo=UTC)
    for company in COMPANIES:
        cik = company["cik"]
        for place, metric in enumerate(METRICS):
            for period, (end, days) in PERIODS.items():
                if (cik * 7 + place * 5 + end.year) % 6 == 0 or (days == 0) != (metric == "total_assets"):
                    continue
                value = Decimal((cik * (place + 3) + end.year) % 9 - 2) / (10 if metric == "net_margin" else 1)
                unit = "EUR" if cik % 11 == 0 else units[metric]
                kind = "annual" if days else "instant"
                restated = cik % 4 == 1
                key = (cik, metric, kind, period)
                yield *key, end, days, 0, 0, known, AFTER if restated else None, value, unit
                if restated:
                    yield *key, end, days, 0, 1, AFTER, None, value + 1, unit
                if cik % 5 == 2:
                    yield *key, date(end.year, 12, 3), days, -28, 0, known, None, value + 3, unit


def frame(connection: psycopg.Connection, metric: str, period: str, as_of: datetime | None) -> Frame:
    unit = load_catalogue().by_key()[metric].unit
    with connection.transaction():
        connection.execute("set local search_path = figures_v1")
        found = connection.execute("select cik, value from frame_known(%s, %s, %s, %s)", [metric, period, unit, as_of])
        return dict(found.fetchall())


_COMPARE: dict[Sign, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
type Frames = dict[tuple[str, str, datetime | None], Frame]


def fulfilled(condition: Condition, frames: Frames, as_of: datetime | None) -> tuple[set[int], int]:
    """Who fulfils a condition, and how many have what it asks for."""
    match condition:
        case Membership(group_by=group_by, keys=keys, inside=inside):
            grouped = {company["cik"]: company[group_by] for company in COMPANIES if company[group_by] is not None}
            return {cik for cik, key in grouped.items() if (key.lower() in keys) == inside}, len(grouped)
        case Between(figure=figure, low=low, high=high):
            held = measured(figure, frames, as_of)
            return {cik for cik, value in held.items() if low <= value <= high}, len(held)
        case Comparison(left=left, sign=sign, right=Figure() as right):
            own, other = measured(left, frames, as_of), measured(right, frames, as_of)
            both = own.keys() & other.keys()
            return {cik for cik in both if _COMPARE[sign](own[cik], other[cik])}, len(both)
        case Comparison(left=left, sign=sign, right=number):
            held = measured(left, frames, as_of)
            return {cik for cik, value in held.items() if _COMPARE[sign](value, number)}, len(held)


def measured(figure: Figure, frames: Frames, as_of: datetime | None) -> dict[int, Any]:
    """What each company has, by counting."""
    period = figure.period or ("CY2023Q4I" if figure.metric == "total_assets" else "CY2023")
    held = frames[figure.metric, period, as_of]
    if figure.standing is None:
        return dict(held)
    group_by = figure.standing.group_by
    groups = {company["cik"]: "all" if group_by == "all" else company.get(group_by) for company in COMPANIES}
    standings: dict[int, Any] = {}
    for cik, value in held.items():
        members = [other for each, other in held.items() if groups[each] == groups[cik]]
        if groups[cik] is None:
            continue
        match figure.standing.measure:
            case "rank":
                standings[cik] = 1 + sum(other > value for other in members)
            case "percentile":
                standings[cik] = Fraction(100 * sum(other <= value for other in members), len(members))
            case "zscore" if len(set(members)) > 1:
                mean = sum(members, Decimal(0)) / len(members)
                spread = (sum(((other - mean) ** 2 for other in members), Decimal(0)) / len(members)).sqrt()
                standings[cik] = round((value - mean) / spread, 12)
    return standings


def in_order(ciks: set[int], held: dict[int, Any], order: str) -> list[int]:
    falling = order == "desc"
    present = sorted((cik for cik in ciks if cik in held), key=lambda cik: (held[cik], cik), reverse=falling)
    return present + sorted((cik for cik in ciks if cik not in held), reverse=falling)


def written(condition: Condition) -> str:
    match condition:
        case Membership(group_by=group_by, keys=keys, inside=inside):
            listed = ",".join(f'"{key}"' for key in keys)
            return f"{group_by} {'in' if inside else 'not in'} {listed}"
        case Between(figure=figure, low=low, high=high):
            return f"{figure.text} between {low} and {high}"
        case Comparison(left=left, sign=sign, right=Figure() as right):
            return f"{left.text} {sign} {right.text}"
        case Comparison(left=left, sign=sign, right=number):
            return f"{left.text} {sign} {number}"


_SIGNS = st.sampled_from(list(_COMPARE))
_PLAIN = st.builds(
    Figure,
    metric=st.sampled_from(("revenue", "net_income")),
    period=st.sampled_from([None, "CY2022"]),
)
_ANY_PLAIN = st.one_of(_PLAIN, st.builds(Figure, metric=st.sampled_from(("net_margin", "total_assets"))))
_STANDINGS: st.SearchStrategy[Figure] = st.builds(
    Figure,
    metric=st.sampled_from(METRICS),
    standing=st.builds(
        Standing,
        measure=st.sampled_from(["rank", "percentile", "zscore"]),
        group_by=st.sampled_from(["all", "sector", "industry", "country", "size_class"]),
    ),
)
_FIGURES = st.one_of(_ANY_PLAIN, _STANDINGS)
_NUMBERS: dict[Measure | None, st.SearchStrategy[Decimal]] = {
    None: st.sampled_from([Decimal(text) for text in ("-1", "0", "0.3", "2", "3", "5.5")]),
    "rank": st.sampled_from([Decimal(1), Decimal(2), Decimal(5)]),
    "percentile": st.sampled_from([Decimal(25), Decimal(50), Decimal("66.6"), Decimal(100)]),
    # No z-score of these companies is exactly one of them.
    "zscore": st.sampled_from([Decimal("-0.77"), Decimal("0.31"), Decimal("1.13")]),
}


@st.composite
def _against_numbers(draw: st.DrawFn) -> Condition:
    figure = draw(_FIGURES)
    numbers = _NUMBERS[figure.standing.measure if figure.standing else None]
    if draw(st.integers(0, 3)) == 0:
        low, high = sorted([draw(numbers), draw(numbers)])
        return Between(figure=figure, low=low, high=high)
    sign: Sign = draw(_SIGNS)
    return Comparison(left=figure, sign=sign, right=draw(numbers))


_CONDITIONS: st.SearchStrategy[Condition] = st.one_of(
    _against_numbers(),
    st.builds(Comparison, left=_PLAIN, sign=_SIGNS, right=_PLAIN),
    st.builds(
        Membership,
        group_by=st.just("industry"),
        keys=st.sampled_from([("2834",), ("2834", "2836"), ("0000",)]),
        inside=st.booleans(),
    ),
    st.builds(
        Membership,
        group_by=st.sampled_from(["sector", "country", "size_class"]),
        keys=st.sampled_from([("services",), ("viet nam",), ("us", "manufacturing"), ("accelerated",)]),
        inside=st.booleans(),
    ),
)
