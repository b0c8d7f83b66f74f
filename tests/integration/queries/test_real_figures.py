"""Figures that were really filed, in through commands and out through the read API."""

from typing import Any

import httpx
import psycopg
from redis import Redis

from commands.companies.change_tickers import ChangeTickers
from commands.companies.reclassify_company import ReclassifyCompany
from tests.factories import duration, register_company, report_filing
from tests.fixtures.real_filings import ALPHABET, GOOGLE, JPMORGAN, report

MILLION = 1_000_000


async def rows(reader: httpx.AsyncClient, company: object, **asked: Any) -> list[dict[str, Any]]:
    answer = await reader.get(f"/v1/companies/{company}/series", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def warnings(reader: httpx.AsyncClient, company: object, **asked: Any) -> list[str]:
    answer = await reader.get(f"/v1/companies/{company}/series", params=asked)
    told: list[str] = answer.json()["meta"]["warnings"]
    return told


class TestTwelveMonths:
    async def test_of_a_flow_are_last_year_and_this_less_last_years_part(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "AAPL", metrics="operating_cash_flow", period_type="ttm", **{"from": "CY2018Q3"})

        assert [(row["period"], row["value"]) for row in found] == [
            ("CY2018Q3TTM", 77_434 * MILLION),
            ("CY2018Q4TTM", (77_434 + 26_690 - 28_293) * MILLION),
            ("CY2019Q1TTM", (77_434 + 37_845 - 43_423) * MILLION),
            ("CY2019Q2TTM", (77_434 + 49_481 - 57_911) * MILLION),
            ("CY2019Q3TTM", 69_391 * MILLION),
        ]
        assert (found[1]["period_start"], found[1]["period_end"]) == ("2017-12-30", "2018-12-29")

    async def test_stand_beside_the_balances_at_their_ends(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "AAPL", metrics="operating_cash_flow,total_assets", period_type="ttm", last=2)

        assert [(row["metric"], row["period"], row["value"]) for row in found] == [
            ("operating_cash_flow", "CY2019Q2TTM", 69_004 * MILLION),
            ("operating_cash_flow", "CY2019Q3TTM", 69_391 * MILLION),
            ("total_assets", "CY2019Q2I", 322_239 * MILLION),
            ("total_assets", "CY2019Q3I", 338_516 * MILLION),
        ]

    async def test_that_cannot_be_had_name_the_newest_that_can(self, reader: httpx.AsyncClient) -> None:
        asked = {"metrics": "net_income", "period_type": "ttm", "as_of": "2019-08-31"}

        found = await rows(reader, "AAPL", **asked)
        told = await warnings(reader, "AAPL", **asked)

        assert [(row["period"], row["value"], row["reason"], row["flags"]) for row in found[-2:]] == [
            ("CY2019Q1TTM", None, "no_twelve_months", ["no_twelve_months"]),
            ("CY2019Q2TTM", None, "no_twelve_months", ["no_twelve_months"]),
        ]
        assert "the newest twelve months of AAPL net_income are CY2018Q3TTM" in told

    async def test_are_never_added_up_of_earnings_per_share(self, reader: httpx.AsyncClient) -> None:
        told = await warnings(reader, "AAPL", metrics="eps_diluted", period_type="ttm")

        assert "AAPL eps_diluted has no twelve months at all" in told


class TestQuarters:
    async def test_of_a_flow_come_from_year_to_date_values(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "AAPL", metrics="operating_cash_flow", period_type="quarterly", last=4)

        assert [(row["period"], row["value"], row["accession"]) for row in found] == [
            ("CY2018Q4", 26_690 * MILLION, "0000320193-19-000010"),
            ("CY2019Q1", (37_845 - 26_690) * MILLION, "0000320193-19-000066"),
            ("CY2019Q2", (49_481 - 37_845) * MILLION, "0000320193-19-000076"),
            ("CY2019Q3", (69_391 - 49_481) * MILLION, "0000320193-19-000119"),
        ]
        assert [row["flags"] for row in found] == [[], *[["from_year_to_date"]] * 3]


class TestSplits:
    async def test_leave_each_value_on_the_basis_of_its_filing_and_say_which(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "AAPL", metrics="eps_diluted,shares_diluted", view="first", to="CY2013")

        assert [(row["metric"], row["period"], row["value"], row["split_factor"]) for row in found] == [
            ("eps_diluted", "CY2012", 44.15, 28),
            ("eps_diluted", "CY2013", 5.68, 4),
            ("shares_diluted", "CY2012", 945_355_000, 28),
            ("shares_diluted", "CY2013", 6_521_634_000, 4),
        ]

    async def test_are_taken_out_on_request(self, reader: httpx.AsyncClient) -> None:
        asked = {"metrics": "eps_diluted,shares_diluted", "view": "first", "to": "CY2012", "adjust": "splits"}

        per_share, shares = await rows(reader, "AAPL", **asked)

        assert (per_share["value"], per_share["flags"]) == (1.576785714286, ["split_adjusted"])
        assert shares["value"] == 945_355_000 * 28

    async def test_count_only_as_far_as_they_were_known(self, reader: httpx.AsyncClient) -> None:
        asked = {"metrics": "eps_diluted", "view": "first", "to": "CY2012", "adjust": "splits"}

        before = await rows(reader, "AAPL", as_of="2014-10-01", **asked)
        between = await rows(reader, "AAPL", as_of="2019-12-31", **asked)

        assert [(row["value"], row["split_factor"]) for row in before + between] == [(44.15, 1), (6.307142857143, 7)]

    async def test_do_not_touch_money(self, reader: httpx.AsyncClient) -> None:
        (row,) = await rows(reader, "AAPL", metrics="net_income", last=1, adjust="splits")

        assert (row["value"], row["split_factor"]) == (55_256 * MILLION, None)


class TestAbsentFigures:
    async def test_of_a_bank_are_not_applicable(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "JPM", metrics="gross_margin")

        assert [(row["period"], row["value"], row["reason"]) for row in found] == [("CY2023", None, "not_applicable")]

    async def test_name_the_operand_that_is_missing(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "AAPL", metrics="free_cash_flow,capex", last=1)

        assert [(row["metric"], row["reason"]) for row in found] == [
            ("free_cash_flow", "operand_missing:capex"),
            ("capex", "not_reported"),
        ]

    async def test_of_a_ratio_to_a_loss_are_undefined(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        year = ("2023-01-01", "2023-12-31")
        loss = duration("us-gaap:NetIncomeLoss", *year, "-5")
        paid = duration("us-gaap:PaymentsOfDividends", *year, "2")
        report(filed, redis, register_company(cik=7), report_filing(cik=7, facts=(loss, paid)))

        found = await rows(reader, 7, metrics="payout_ratio")

        assert [row["reason"] for row in found] == ["undefined"]

    async def test_of_operands_in_several_currencies_say_so(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        year = ("2023-01-01", "2023-12-31")
        sales = duration("us-gaap:Revenues", *year, "100", unit="EUR")
        income = duration("us-gaap:NetIncomeLoss", *year, "5")
        report(filed, redis, register_company(cik=7), report_filing(cik=7, facts=(sales, income)))

        found = await rows(reader, 7, metrics="net_margin")

        assert [row["reason"] for row in found] == ["currency_mismatch"]

    async def test_are_summed_up_in_the_warnings(self, reader: httpx.AsyncClient) -> None:
        told = await warnings(reader, "JPM", metrics="gross_margin,revenue")

        assert told == [
            "null, not_applicable (the metric makes no sense for this kind of company): JPM gross_margin CY2023"
        ]

    async def test_become_applicable_with_another_industry(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        report(filed, redis, ReclassifyCompany(cik=JPMORGAN, sic="3571", country=None))

        found = await rows(reader, "JPM", metrics="gross_margin")

        assert [row["reason"] for row in found] == ["operand_missing:gross_profit"]

    async def test_of_a_parked_company_say_that_it_waits(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection
    ) -> None:
        filed.execute(
            "insert into projections.parked (name, version, position, stream, error) "
            "values ('figures', 1, 1, 'company-320193', 'unreadable')"
        )

        found = await rows(reader, "AAPL", metrics="net_income,capex", last=1)
        told = await warnings(reader, "AAPL", metrics="net_income,capex", last=1)

        assert [(row["metric"], row["reason"], row["flags"]) for row in found] == [
            ("net_income", None, ["parked"]),
            ("capex", "parked", ["parked"]),
        ]
        assert any(warning.startswith("parked (") for warning in told)


class TestCompaniesThatChangedCik:
    async def test_stand_apart_unless_asked(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "GOOGL", metrics="revenue")

        assert [(row["cik"], row["period"]) for row in found] == [(ALPHABET, "CY2014"), (ALPHABET, "CY2015")]

    async def test_run_on_through_their_predecessors(self, reader: httpx.AsyncClient) -> None:
        found = await rows(reader, "GOOGL", metrics="revenue", through="predecessors")

        assert [(row["company"], row["cik"], row["period"], row["value"], row["flags"]) for row in found] == [
            ("GOOGL", GOOGLE, "CY2012", 46_039 * MILLION, ["predecessor"]),
            ("GOOGL", GOOGLE, "CY2013", 55_519 * MILLION, ["predecessor"]),
            ("GOOGL", GOOGLE, "CY2014", 66_001 * MILLION, ["predecessor"]),
            ("GOOGL", ALPHABET, "CY2015", 74_989 * MILLION, []),
        ]

    async def test_are_named_on_both_sides(self, reader: httpx.AsyncClient) -> None:
        (alphabet,) = (await reader.get("/v1/companies/GOOGL")).json()["data"]
        (google,) = (await reader.get(f"/v1/companies/{GOOGLE}")).json()["data"]

        assert alphabet["predecessors"] == [{"cik": GOOGLE, "company": "Google Inc.", "effective_on": "2015-10-02"}]
        assert alphabet["successors"] == []
        assert google["successors"] == [{"cik": ALPHABET, "company": "GOOGL", "effective_on": "2015-10-02"}]


class TestTickers:
    async def test_of_several_companies_are_a_choice(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        report(filed, redis, ChangeTickers(cik=GOOGLE, tickers=("GOOG",)))

        answer = await reader.get("/v1/companies/GOOG")

        assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous_company")
        assert answer.json()["candidates"] == [
            f"{GOOGLE} Google Inc. (GOOG)",
            f"{ALPHABET} Alphabet Inc. (GOOGL, GOOG)",
        ]
