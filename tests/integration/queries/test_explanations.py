"""Where a value comes from."""

from typing import Any

import httpx
import psycopg
import pytest

from tests.fixtures.figures import RESTATER, write_twelve_months


async def explained(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.get("/v1/explain", params=asked)
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["data"]
    told: dict[str, Any] = row
    return told


class TestExplanation:
    async def test_of_a_reported_value_names_filing_concept_and_documents(self, client: httpx.AsyncClient) -> None:
        row = await explained(client, company="AAPL", metric="revenue", period="CY2023")

        assert (row["value"], row["accession"], row["form"]) == (383285000000, "0000320193-23-000106", "10-K")
        assert row["concept"] == "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax"
        assert row["url"] == "https://www.sec.gov/Archives/edgar/data/320193/000032019323000106/"
        assert (row["formula"], row["operands"]) == (None, [])

    async def test_of_a_derived_value_names_formula_and_every_operand(self, client: httpx.AsyncClient) -> None:
        row = await explained(client, company="AAPL", metric="gross_margin", period="CY2023")

        assert row["formula"] == "gross_profit / revenue"
        assert [(operand["metric"], operand["value"], operand["accession"]) for operand in row["operands"]] == [
            ("gross_profit", 169148000000, "0000320193-23-000106"),
            ("revenue", 383285000000, "0000320193-23-000106"),
        ]

    async def test_tells_every_vintage_with_the_time_it_became_known(self, client: httpx.AsyncClient) -> None:
        row = await explained(client, company=RESTATER, metric="revenue", period="CY2022")

        assert [(past["value"], past["known_from"], past["known_to"]) for past in row["revisions"]] == [
            (1000, "2023-02-10T21:00:00Z", "2024-02-09T21:00:00Z"),
            (900, "2024-02-09T21:00:00Z", None),
        ]

    async def test_of_twelve_months_names_the_facts_they_were_added_up_from(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        write_twelve_months(figures)

        row = await explained(client, company="AAPL", metric="revenue", period="CY2023Q2TTM")

        assert sum(fact["sign"] * fact["value"] for fact in row["sources"]) == row["value"] == 383933000000
        assert [fact["accession"] for fact in row["sources"]] == [
            "0000320193-22-000108",
            "0000320193-23-000077",
            "0000320193-22-000070",
        ]
        assert (row["formula"], row["operands"]) == (None, [])

    async def test_as_of_a_day_knows_nothing_later(self, client: httpx.AsyncClient) -> None:
        row = await explained(client, company=RESTATER, metric="revenue", period="CY2022", as_of="2023-12-31")

        assert (row["value"], row["known_to"], len(row["revisions"])) == (1000, None, 1)
        assert row["revisions"][0]["known_to"] is None

    @pytest.mark.parametrize("period", ["CY2023", "cy2023", "FY2023", "2023-09-30"])
    async def test_takes_calendar_and_fiscal_periods_and_dates(self, client: httpx.AsyncClient, period: str) -> None:
        row = await explained(client, company="AAPL", metric="revenue", period=period)

        assert row["value"] == 383285000000

    @pytest.mark.parametrize("period", ["CY2023Q3", "CY2023Q3I", "FY2023", "FY2023Q4", "2023-09-30"])
    async def test_finds_balances_by_the_quarter_they_close(self, client: httpx.AsyncClient, period: str) -> None:
        row = await explained(client, company="AAPL", metric="total_assets", period=period)

        assert row["value"] == 352583000000

    async def test_of_a_day_that_closes_two_periods_is_a_choice(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(
            "/v1/explain", params={"company": RESTATER, "metric": "revenue", "period": "2022-12-31"}
        )

        assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous_period")
        assert answer.json()["candidates"] == ["CY2022", "CY2022Q4"]

    async def test_of_a_period_without_value_says_why_and_names_those_with_one(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/explain", params={"company": "AAPL", "metric": "revenue", "period": "CY2010"})

        assert answer.status_code == 200
        (row,) = answer.json()["data"]
        assert (row["value"], row["reason"], row["period"], row["period_end"]) == (None, "not_reported", "CY2010", None)
        assert "us-gaap:Revenues" in row["missing"]
        assert answer.json()["meta"]["warnings"] == ["revenue of AAPL has a value for CY2021, CY2022, CY2023"]
