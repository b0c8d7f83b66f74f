"""Values of metrics over time."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.fixtures.figures import RESTATER, write_twelve_months


async def values(client: httpx.AsyncClient, company: object, **asked: Any) -> list[tuple[Any, ...]]:
    answer = await client.get(f"/v1/companies/{company}/series", params=asked)
    assert answer.status_code == 200, answer.text
    return [(row["metric"], row["period"], row["value"]) for row in answer.json()["data"]]


class TestAnnualSeries:
    async def test_reads_oldest_first_with_accession_and_fiscal_year(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/AAPL/series", params={"metrics": "revenue"})

        rows = answer.json()["data"]
        assert [row["fiscal_year"] for row in rows] == [2021, 2022, 2023]
        assert rows[-1] == {
            "company": "AAPL",
            "cik": 320193,
            "metric": "revenue",
            "unit": "USD",
            "period": "CY2023",
            "period_start": "2022-09-25",
            "period_end": "2023-09-30",
            "fiscal_year": 2023,
            "fiscal_period": "FY",
            "value": 383285000000,
            "accession": "0000320193-23-000106",
            "known_from": "2023-11-02T22:08:27Z",
            "flags": [],
            "reason": None,
            "split_factor": None,
        }

    async def test_marks_what_was_not_reported_beside_what_was(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/AAPL/series", params={"metrics": "revenue,net_income"})

        absent = [row for row in answer.json()["data"] if row["value"] is None]
        assert [(row["metric"], row["period"], row["flags"]) for row in absent] == [
            ("net_income", "CY2021", ["not_reported"])
        ]

    async def test_names_the_period_of_what_was_not_reported_beside_balances(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        figures.execute("delete from figures_v1.metric_value where metric = 'revenue' and period_end = '2023-09-30'")

        answer = await client.get("/v1/companies/AAPL/series", params={"metrics": "revenue,total_assets", "last": 1})

        absent = answer.json()["data"][0]
        assert (absent["metric"], absent["period"], absent["fiscal_year"], absent["fiscal_period"]) == (
            "revenue",
            "CY2023",
            2023,
            "FY",
        )

    async def test_sets_balances_beside_the_year_they_close(self, client: httpx.AsyncClient) -> None:
        found = await values(client, "AAPL", metrics="revenue,total_assets", last=2)

        assert found == [
            ("revenue", "CY2022", 394328000000),
            ("revenue", "CY2023", 383285000000),
            ("total_assets", "CY2022Q3I", 352755000000),
            ("total_assets", "CY2023Q3I", 352583000000),
        ]

    async def test_shows_the_own_period_closest_to_the_calendar_year(self, client: httpx.AsyncClient) -> None:
        assert await values(client, RESTATER, metrics="net_income") == [("net_income", "CY2022", 10)]

    @pytest.mark.parametrize(
        ("asked", "years"),
        [
            ({"last": "1"}, ["CY2023"]),
            ({"from": "CY2022"}, ["CY2022", "CY2023"]),
            ({"to": "CY2022"}, ["CY2021", "CY2022"]),
            ({"from": "FY2022", "to": "FY2022"}, ["CY2022"]),
            ({"from": "2022-09-24"}, ["CY2022", "CY2023"]),
            ({"from": "2022-09-25"}, ["CY2023"]),
            ({"from": "CY2021", "last": "2"}, ["CY2021", "CY2022"]),
        ],
    )
    async def test_keeps_to_the_periods_asked_for(
        self, client: httpx.AsyncClient, asked: dict[str, str], years: list[str]
    ) -> None:
        found = await values(client, "AAPL", metrics="revenue", **asked)

        assert [period for _, period, _ in found] == years

    async def test_of_nothing_says_so(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/GOOG/series", params={"metrics": "revenue"})

        assert answer.json()["data"] == []
        assert answer.json()["meta"]["warnings"] == ["GOOGL has no value of the metrics asked for in these periods"]


class TestViewsOfKnowledge:
    @pytest.mark.parametrize(
        ("asked", "value"),
        [
            ({}, 900),
            ({"view": "latest"}, 900),
            ({"view": "first"}, 1000),
            ({"as_of": "2024-02-08"}, 1000),
            ({"as_of": "2024-02-09"}, 900),
            ({"as_of": "2024-02-09T20:59:59Z"}, 1000),
            ({"as_of": "2024-02-09T21:00:00Z"}, 900),
            ({"view": "as_of", "as_of": "2024-02-09T16:00:00-05:00"}, 900),
        ],
    )
    async def test_tell_what_was_known(self, client: httpx.AsyncClient, asked: dict[str, str], value: int) -> None:
        found = await values(client, RESTATER, metrics="revenue", **asked)

        assert found == [("revenue", "CY2022", value)]

    async def test_before_anything_was_known_is_empty(self, client: httpx.AsyncClient) -> None:
        assert await values(client, RESTATER, metrics="revenue", as_of="2023-01-01") == []

    async def test_name_the_instant_asked_for(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(f"/v1/companies/{RESTATER}/series?metrics=revenue&as_of=2023-06-01")

        assert answer.json()["meta"]["as_of"] == "2023-06-02T04:00:00Z"


class TestOtherPeriods:
    async def test_quarters_stand_apart_from_years(self, client: httpx.AsyncClient) -> None:
        found = await values(client, RESTATER, metrics="revenue", period_type="quarterly")

        assert found == [("revenue", "CY2022Q4", 260)]

    async def test_twelve_months_stand_with_the_quarter_they_end_with(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        write_twelve_months(figures)

        answer = await client.get("/v1/companies/AAPL/series", params={"metrics": "revenue", "period_type": "ttm"})

        row = next(row for row in answer.json()["data"] if row["value"] is not None)
        assert (row["period"], row["fiscal_year"], row["fiscal_period"]) == ("CY2023Q2TTM", 2023, "Q3")
        assert row["value"] == 383933000000

    async def test_instants_leave_durations_out_and_say_so(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(
            "/v1/companies/MSFT/series", params={"metrics": "revenue,total_assets", "period_type": "instant"}
        )

        assert [row["metric"] for row in answer.json()["data"]] == ["total_assets"]
        assert "revenue covers a duration" in answer.json()["meta"]["warnings"][0]


class TestSeriesOfSeveralCompanies:
    async def test_keeps_the_order_asked_for_and_each_company_once(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(
            "/v1/series", params={"companies": "MSFT,AAPL,320193", "metrics": "revenue", "last": 1}
        )

        assert [(row["company"], row["value"]) for row in answer.json()["data"]] == [
            ("MSFT", 211915000000),
            ("AAPL", 383285000000),
        ]

    async def test_takes_names_with_commas_when_given_one_by_one(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        figures.execute("update figures_v1.company set name = 'Second, Thoughts' where cik = %s", (RESTATER,))

        answer = await client.get(
            "/v1/series", params={"companies": ["AAPL", "Second, Thoughts"], "metrics": "revenue", "last": 1}
        )

        assert [row["company"] for row in answer.json()["data"]] == ["AAPL", "Second, Thoughts"]


class TestExactNumbers:
    async def test_come_digit_for_digit(self, client: httpx.AsyncClient, figures: psycopg.Connection) -> None:
        digits = "123456789012345678901234567890.123456789012345678"
        figures.execute("update figures_v1.metric_value set value = %s where cik = %s", (digits, RESTATER))

        number = await client.get(f"/v1/companies/{RESTATER}/series?metrics=revenue")
        text = await client.get(f"/v1/companies/{RESTATER}/series?metrics=revenue&numbers=text")

        assert f'"value":{digits},' in number.text
        assert text.json()["data"][0]["value"] == digits

    async def test_come_as_csv_with_the_same_columns(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/AAPL/series.csv", params={"metrics": "eps_diluted", "last": 1})

        header, row = answer.text.splitlines()
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert header == (
            "company,cik,metric,unit,period,period_start,period_end,fiscal_year,fiscal_period,value,accession,"
            "known_from,flags,reason,split_factor"
        )
        assert row == (
            "AAPL,320193,eps_diluted,USD/shares,CY2023,2022-09-25,2023-09-30,2023,FY,6.13,0000320193-23-000106,"
            "2023-11-02T22:08:27Z,,,1"
        )
