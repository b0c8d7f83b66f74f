"""Figures that were really filed, and a few invented beside them, in through commands and out through the read API."""

from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from redis import Redis

from commands.companies.change_tickers import ChangeTickers
from commands.companies.merge_company import MergeCompany
from commands.companies.reclassify_company import ReclassifyCompany
from commands.filings.events import ConceptFacts
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from tests.factories import duration, instant, register_company, report_filing
from tests.fixtures.real_filings import ALPHABET, GOOGLE, JPMORGAN, fold, report, together

MILLION = 1_000_000


async def rows(reader: httpx.AsyncClient, company: object, **asked: Any) -> list[dict[str, Any]]:
    answer = await reader.get(f"/v1/companies/{company}/series", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def explained(reader: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await reader.get("/v1/explain", params=asked)
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["data"]
    told: dict[str, Any] = row
    return told


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

    async def test_whose_label_two_ends_claim_are_those_that_end_nearest_to_the_quarter(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        # Quarters of twelve and of sixteen weeks: Costco's end on 15 February and on 10 May.
        facts = (
            duration("us-gaap:Revenues", "2008-02-18", "2009-02-15", "1"),
            duration("us-gaap:Revenues", "2008-05-12", "2009-05-10", "2"),
        )
        report(filed, redis, register_company(cik=7), report_filing(cik=7, facts=facts))

        found = await rows(reader, 7, metrics="revenue", period_type="ttm")
        told = await explained(reader, company=7, metric="revenue", period="CY2009Q1TTM")

        assert [(row["period"], row["period_end"]) for row in found] == [("CY2009Q1TTM", "2009-05-10")]
        assert told["period_end"] == "2009-05-10"

    async def test_are_never_added_up_of_earnings_per_share(self, reader: httpx.AsyncClient) -> None:
        told = await warnings(reader, "AAPL", metrics="eps_diluted", period_type="ttm")

        assert "AAPL eps_diluted has no twelve months at all" in told


class TestPeriodsAskedFor:
    async def test_hold_a_balance_with_the_year_it_closes(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        def annual(accession: str, year: int, filed_on: date, revenue: int, assets: int) -> Command:
            facts = (
                duration("us-gaap:Revenues", f"{year - 1}-06-01", f"{year}-05-31", f"{revenue}000000"),
                instant("us-gaap:Assets", f"{year}-05-31", f"{assets}000000"),
            )
            return report_filing(cik=320187, accession=accession, filed_on=filed_on, facts=facts)

        # Nike's years end in May: that of 2024 is CY2023, its balance CY2024Q2I.
        report(
            filed,
            redis,
            register_company(cik=320187, name="NIKE, Inc.", tickers=("NKE",)),
            annual("0000320187-24-000044", 2024, date(2024, 7, 25), 51_362, 38_110),
            annual("0000320187-25-000047", 2025, date(2025, 7, 17), 46_309, 36_579),
        )
        asked = {"companies": "NKE", "metrics": "revenue,total_assets"}

        since = await reader.get("/v1/compare", params={**asked, "from": "CY2024"})
        until = await reader.get("/v1/compare", params={**asked, "to": "CY2023"})

        shown = [[(row["column"], row["value"]) for row in answer.json()["data"]] for answer in (since, until)]
        assert shown == [
            [("CY2024", 46_309 * MILLION), ("CY2024", 36_579 * MILLION)],
            [("CY2023", 51_362 * MILLION), ("CY2023", 38_110 * MILLION)],
        ]


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

    async def test_reach_what_is_worked_out_per_share_by_the_basis_of_its_shares(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        def weighted(year: int, count: str) -> ConceptFacts:
            concept = "us-gaap:WeightedAverageNumberOfDilutedSharesOutstanding"
            return duration(concept, f"{year}-01-01", f"{year}-12-31", count, unit="shares")

        def equity(millions: int) -> ConceptFacts:
            return instant("us-gaap:StockholdersEquity", "2022-12-31", f"{millions}000000", unit="EUR")

        outstanding = instant("dei:EntityCommonStockSharesOutstanding", "2022-12-31", "100000000", unit="shares")
        first = (outstanding, equity(1000), weighted(2022, "100000000"))
        # Four shares for one; the equity is restated, the shares outstanding then are not.
        second = (outstanding, equity(1200), weighted(2022, "400000000"), weighted(2023, "400000000"))
        report(
            filed,
            redis,
            register_company(cik=7),
            report_filing(cik=7, filed_on=date(2023, 2, 15), facts=first),
            report_filing(cik=7, filed_on=date(2024, 2, 15), facts=together(*second)),
        )

        asked = {"metrics": "book_value_per_share", "to": "CY2022"}
        (filed_then,) = await rows(reader, 7, **asked)
        (restated,) = await rows(reader, 7, adjust="splits", **asked)
        (before,) = await rows(reader, 7, adjust="splits", as_of="2023-12-31", **asked)
        explanation = await explained(reader, company=7, metric="book_value_per_share", period="CY2022Q4I")

        assert (filed_then["value"], filed_then["unit"], filed_then["split_factor"]) == (12, "EUR/shares", 4)
        assert (restated["value"], restated["flags"]) == (3, ["restated", "split_adjusted"])
        assert (before["value"], before["split_factor"]) == (10, 1)
        assert (explanation["split_factor"], len(explanation["splits"])) == (4, 1)

    async def test_of_a_withdrawn_filing_count_only_as_of_before(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        def stated(count: str) -> tuple[ConceptFacts, ...]:
            year = ("2023-01-01", "2023-12-31")
            return (
                duration("us-gaap:WeightedAverageNumberOfDilutedSharesOutstanding", *year, count, unit="shares"),
                duration("us-gaap:EarningsPerShareDiluted", "2022-01-01", "2022-12-31", "5", unit="USD/shares"),
            )

        in_error = report_filing(cik=7, form="10-Q/A", filed_on=date(2024, 5, 1), facts=stated("1000000000"))
        report(
            filed,
            redis,
            register_company(cik=7),
            report_filing(cik=7, filed_on=date(2024, 2, 1), facts=stated("100000000")),
            in_error,
            WithdrawFiling(
                cik=7,
                accession=in_error.accession,
                reason="filed in error",
                withdrawn_at=datetime(2024, 7, 1, tzinfo=UTC),
            ),
        )

        asked = {"metrics": "eps_diluted", "adjust": "splits"}
        (now,) = await rows(reader, 7, **asked)
        (then,) = await rows(reader, 7, as_of="2024-06-01", **asked)

        assert (now["value"], now["split_factor"]) == (5, 1)
        assert (then["value"], then["split_factor"]) == (0.5, 10)

    async def test_leave_filings_as_they_are_that_counted_so_before_one_showed_the_ratio(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        def diluted(start: str, end: str, count: int) -> ConceptFacts:
            concept = "us-gaap:WeightedAverageNumberOfDilutedSharesOutstanding"
            return duration(concept, start, end, str(count), unit="shares")

        # Palo Alto Networks, 3 for 1 in September 2022: 0001327567-22-000016, -22-000038 and -23-000014.
        spring, autumn = ("2022-02-01", "2022-04-30"), ("2022-08-01", "2022-10-31")
        report(
            filed,
            redis,
            register_company(cik=7),
            report_filing(cik=7, filed_on=date(2022, 5, 20), facts=(diluted(*spring, 98_900_000),)),
            report_filing(cik=7, filed_on=date(2022, 11, 18), facts=(diluted(*autumn, 338_400_000),)),
            report_filing(cik=7, filed_on=date(2023, 5, 24), facts=(diluted(*spring, 296_700_000),)),
        )

        async def adjusted(**asked: str) -> list[tuple[int, int]]:
            asked |= {"metrics": "shares_diluted", "period_type": "quarterly", "adjust": "splits"}
            return [(row["value"], row["split_factor"]) for row in await rows(reader, 7, **asked)]

        assert await adjusted(view="first") == [(296_700_000, 3), (338_400_000, 1)]
        assert await adjusted(as_of="2023-01-31") == [(98_900_000, 1), (338_400_000, 1)]

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

    async def test_are_in_the_currency_the_company_reports_in(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        sales = duration("us-gaap:Revenues", "2023-01-01", "2023-12-31", "100", unit="EUR")
        report(filed, redis, register_company(cik=7), report_filing(cik=7, facts=(sales,)))

        found = await rows(reader, 7, metrics="net_income,eps_basic,net_margin,total_assets")
        explanation = await explained(reader, company=7, metric="free_cash_flow", period="CY2023")

        assert [row["unit"] for row in found] == ["EUR", "EUR/shares", "pure", "EUR"]
        assert explanation["unit"] == "EUR"
        assert {operand["unit"] for operand in explanation["operands"]} == {"EUR"}

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


class TestCompaniesAsTheyStood:
    async def test_have_the_fiscal_year_that_annual_reports_had_shown(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        def sales(start: str, end: str) -> ConceptFacts:
            return duration("us-gaap:Revenues", start, end, "100")

        report(
            filed,
            redis,
            register_company(cik=7),
            report_filing(cik=7, filed_on=date(2022, 2, 1), facts=(sales("2021-01-01", "2021-12-31"),)),
            report_filing(cik=7, form="10-Q", filed_on=date(2022, 5, 1), facts=(sales("2022-01-01", "2022-03-31"),)),
            report_filing(cik=7, form="10-KT", filed_on=date(2023, 8, 1), facts=(sales("2022-07-01", "2023-06-30"),)),
        )
        asked = {"metrics": "revenue", "period_type": "quarterly"}

        (then,) = await rows(reader, 7, as_of="2022-12-31", **asked)
        (now,) = await rows(reader, 7, **asked)
        explanation = await explained(reader, company=7, metric="revenue", period="FY2022Q1", as_of="2022-12-31")

        assert (then["fiscal_year"], then["fiscal_period"]) == (2022, "Q1")
        assert (now["fiscal_year"], now["fiscal_period"]) == (2022, "Q3")
        assert explanation["value"] == 100

    @pytest.mark.parametrize("mended", ["withdrawn", "corrected"])
    async def test_have_the_fiscal_year_of_annual_reports_that_count(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis, mended: str
    ) -> None:
        def sales(start: str, end: str) -> ConceptFacts:
            return duration("us-gaap:Revenues", start, end, "100")

        in_error = report_filing(
            cik=7, form="10-KT", filed_on=date(2023, 8, 1), facts=(sales("2022-07-01", "2023-06-30"),)
        )
        right: dict[str, Command] = {
            "withdrawn": WithdrawFiling(
                cik=7,
                accession=in_error.accession,
                reason="filed in error",
                withdrawn_at=datetime(2023, 10, 1, tzinfo=UTC),
            ),
            "corrected": msgspec.structs.replace(in_error, facts=(sales("2022-01-01", "2022-12-31"),)),
        }
        report(
            filed,
            redis,
            register_company(cik=7),
            report_filing(cik=7, filed_on=date(2022, 2, 1), facts=(sales("2021-01-01", "2021-12-31"),)),
            report_filing(cik=7, form="10-Q", filed_on=date(2022, 5, 1), facts=(sales("2022-01-01", "2022-03-31"),)),
            in_error,
        )

        async def quarter_called(**asked: str) -> str:
            (row,) = await rows(reader, 7, metrics="revenue", period_type="quarterly", **asked)
            return str(row["fiscal_period"])

        before = await quarter_called()
        report(filed, redis, right[mended])
        then = await quarter_called(as_of="2023-09-01")
        later = await quarter_called(as_of="2024-01-01")
        now = await quarter_called()

        assert before == "Q3"
        assert then == {"withdrawn": "Q3", "corrected": "Q1"}[mended]
        assert (later, now) == ("Q1", "Q1")

    async def test_are_judged_by_the_industry_they_had(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        year = ("2023-01-01", "2023-12-31")
        sales, profit = duration("us-gaap:Revenues", *year, "100"), duration("us-gaap:GrossProfit", *year, "40")
        report(
            filed,
            redis,
            register_company(cik=7, sic="6021"),
            report_filing(cik=7, facts=(sales, profit)),
            ReclassifyCompany(cik=7, sic="3571"),
        )

        (then,) = await rows(reader, 7, metrics="gross_margin", as_of="2024-12-31")
        (now,) = await rows(reader, 7, metrics="gross_margin")
        explanation = await explained(reader, company=7, metric="gross_margin", period="CY2023", as_of="2024-12-31")

        assert (then["value"], then["reason"]) == (None, "not_applicable")
        assert (now["value"], now["reason"]) == (0.4, None)
        assert explanation["reason"] == "not_applicable"


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

    async def test_are_named_where_all_that_is_asked_for_lies_before_the_change(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        quarter = duration("us-gaap:Revenues", "2015-01-01", "2015-03-31", "17258000000")
        report(filed, redis, report_filing(cik=GOOGLE, accession="0001288776-15-000022", facts=(quarter,)))
        asked = {"metrics": "revenue", "period_type": "ttm", "through": "predecessors", "from": "CY2015Q1", "last": 1}

        (absent,) = await rows(reader, "GOOGL", **asked)
        told = await warnings(reader, "GOOGL", **asked)

        assert (absent["company"], absent["cik"], absent["reason"]) == ("GOOGL", GOOGLE, "no_twelve_months")
        assert told[-1] == "the newest twelve months of GOOGL revenue are CY2014Q4TTM"

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


class TestExplanations:
    async def test_of_a_quarter_name_the_year_to_date_facts_with_their_signs(self, reader: httpx.AsyncClient) -> None:
        row = await explained(reader, company="AAPL", metric="operating_cash_flow", period="FY2019Q4")

        assert (row["value"], row["flags"]) == (19_910 * MILLION, ["from_year_to_date"])
        assert [
            (fact["sign"], fact["value"], fact["accession"], fact["form"], fact["filed_on"]) for fact in row["sources"]
        ] == [
            (1, 69_391 * MILLION, "0000320193-19-000119", "10-K", "2019-10-31"),
            (-1, 49_481 * MILLION, "0000320193-19-000076", "10-Q", "2019-07-31"),
        ]
        assert row["sources"][1]["known_from"] == "2019-08-01T04:00:00Z"
        assert row["sources"][1]["url"] == "https://www.sec.gov/Archives/edgar/data/320193/000032019319000076/"

    async def test_of_twelve_months_name_all_three_facts(self, reader: httpx.AsyncClient) -> None:
        row = await explained(reader, company="AAPL", metric="operating_cash_flow", period="CY2019Q2TTM")

        assert sum(fact["sign"] * fact["value"] for fact in row["sources"]) == row["value"] == 69_004 * MILLION
        assert [fact["sign"] for fact in row["sources"]] == [1, 1, -1]

    async def test_as_of_any_day_are_of_what_was_known_then(self, reader: httpx.AsyncClient) -> None:
        asked = {"company": "AAPL", "metric": "eps_diluted", "period": "CY2012"}

        then = await explained(reader, as_of="2013-06-30", **asked)
        now = await explained(reader, **asked)

        assert (then["value"], then["accession"], then["known_to"]) == (44.15, "0001193125-12-444068", None)
        assert (now["value"], now["accession"], now["flags"]) == (6.31, "0001193125-14-383437", ["restated"])
        assert [(past["value"], past["known_from"]) for past in now["revisions"]] == [
            (44.15, "2012-11-01T04:00:00Z"),
            (6.31, "2014-10-28T04:00:00Z"),
        ]

    async def test_tell_the_splits_since(self, reader: httpx.AsyncClient) -> None:
        row = await explained(reader, company="AAPL", metric="eps_diluted", period="CY2012", as_of="2013-06-30")
        now = await explained(reader, company="AAPL", metric="eps_diluted", period="CY2012")

        assert (row["split_factor"], row["splits"]) == (1, [])
        assert (now["split_factor"], [(split["ratio"], split["accession"]) for split in now["splits"]]) == (
            4,
            [(4, "0000320193-20-000096")],
        )

    async def test_of_a_ratio_give_every_operand_with_its_filing(self, reader: httpx.AsyncClient) -> None:
        row = await explained(reader, company="AAPL", metric="cash_conversion", period="FY2019")

        assert row["formula"] == "operating_cash_flow / net_income"
        assert [(operand["metric"], operand["value"], operand["form"]) for operand in row["operands"]] == [
            ("operating_cash_flow", 69_391 * MILLION, "10-K"),
            ("net_income", 55_256 * MILLION, "10-K"),
        ]
        assert [operand["known_from"] for operand in row["operands"]] == ["2019-11-01T04:00:00Z"] * 2

    async def test_of_what_is_absent_say_what_is_missing(self, reader: httpx.AsyncClient) -> None:
        row = await explained(reader, company="AAPL", metric="fcf_margin", period="FY2019")

        assert (row["value"], row["reason"], row["period_end"]) == (
            None,
            "operand_missing:free_cash_flow",
            "2019-09-28",
        )
        assert row["missing"] == ["free_cash_flow", "revenue"]
        assert [(operand["metric"], operand["flags"]) for operand in row["operands"]] == [
            ("free_cash_flow", ["operand_missing:capex"]),
            ("revenue", ["not_reported"]),
        ]

    @pytest.mark.parametrize("period", ["CY2023", "FY2023", "2023-12-31", "CY2023Q4TTM"])
    async def test_of_a_banks_gross_margin_are_not_applicable(self, reader: httpx.AsyncClient, period: str) -> None:
        row = await explained(reader, company="JPM", metric="gross_margin", period=period)

        assert (row["value"], row["reason"], row["period_end"]) == (None, "not_applicable", "2023-12-31")

    async def test_of_twelve_months_that_cannot_be_had_name_the_newest(self, reader: httpx.AsyncClient) -> None:
        row = await explained(reader, company="AAPL", metric="net_income", period="CY2019Q2TTM", as_of="2019-08-31")

        assert (row["value"], row["reason"], row["newest_period"]) == (None, "no_twelve_months", "CY2018Q3TTM")
        assert (row["period_start"], row["period_end"]) == ("2018-06-30", "2019-06-29")

    async def test_of_what_became_known_later_say_so(self, reader: httpx.AsyncClient) -> None:
        answer = await reader.get(
            "/v1/explain",
            params={"company": "AAPL", "metric": "net_income", "period": "FY2019", "as_of": "2019-10-01"},
        )

        assert answer.json()["data"][0]["reason"] == "not_reported"
        assert "became known after as_of" in answer.json()["meta"]["warnings"][0]

    async def test_show_both_sides_of_the_identities_the_filing_breaks(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        year = ("2023-01-01", "2023-12-31")
        facts = (
            duration("us-gaap:Revenues", *year, "100"),
            duration("us-gaap:CostOfRevenue", *year, "60"),
            duration("us-gaap:GrossProfit", *year, "45"),
        )
        filing = report_filing(cik=7, facts=facts)
        report(filed, redis, register_company(cik=7), filing)

        row = await explained(reader, company=7, metric="gross_margin", period="FY2023")
        (listed,) = (await reader.get("/v1/companies/7/filings")).json()["data"]
        told = await warnings(reader, 7, metrics="gross_profit")

        assert row["broken_checks"] == [
            {
                "accession": filing.accession,
                "check": "gross_profit",
                "period_start": "2023-01-01",
                "period_end": "2023-12-31",
                "stated": 45,
                "expected": 40,
            }
        ]
        assert listed["broken_checks"] == row["broken_checks"]
        assert listed["period_end"] == "2023-12-31"
        assert told[0].startswith("check_failed (")


class TestTheCatalogue:
    async def test_tells_when_a_metric_has_no_value_and_what_touches_it(self, reader: httpx.AsyncClient) -> None:
        found = {row["metric"]: row for row in (await reader.get("/v1/metrics")).json()["data"]}

        assert found["gross_margin"]["not_for"] == ["bank", "insurer"]
        assert found["payout_ratio"]["undefined_if"] == "net_income <= 0"
        assert (found["eps_diluted"]["split_sensitive"], found["eps_diluted"]["additive"]) == (True, False)


class TestChainsOfCompanies:
    async def test_run_through_every_predecessor_and_never_in_circles(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis
    ) -> None:
        year = ("2010-01-01", "2010-12-31")
        founded = report_filing(
            cik=7, accession="0000000007-11-000001", facts=(duration("us-gaap:Revenues", *year, "3"),)
        )
        report(
            filed,
            redis,
            register_company(cik=7, name="Garage"),
            founded,
            MergeCompany(cik=GOOGLE, predecessor_cik=7, effective_on=date(2011, 6, 1)),
            MergeCompany(cik=7, predecessor_cik=ALPHABET, effective_on=date(2001, 1, 1)),
        )

        found = await rows(reader, "GOOGL", metrics="revenue", through="predecessors")

        assert [(row["cik"], row["period"]) for row in found] == [
            (7, "CY2010"),
            (GOOGLE, "CY2012"),
            (GOOGLE, "CY2013"),
            (GOOGLE, "CY2014"),
            (ALPHABET, "CY2015"),
        ]

    @pytest.mark.parametrize(("view", "value"), [("first", 66_001 * MILLION), ("latest", 65_830 * MILLION)])
    async def test_take_the_first_or_the_last_known_where_both_state_a_period(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, redis: Redis, view: str, value: int
    ) -> None:
        recast = duration("us-gaap:Revenues", "2014-01-01", "2014-12-31", "65830000000")
        later = report_filing(
            cik=ALPHABET, accession="0001652044-17-999999", filed_on=date(2017, 2, 3), facts=(recast,)
        )
        report(filed, redis, later)

        found = await rows(reader, "GOOGL", metrics="revenue", through="predecessors", view=view)

        assert [row["value"] for row in found if row["period"] == "CY2014"] == [value]


class TestACompanyUnderTwoCiks:
    async def group(self, reader: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
        asked = {"metric": "revenue", "group_by": "industry", "groups": "7370", **asked}
        answer = await reader.get("/v1/aggregates", params=asked)
        assert answer.status_code == 200, answer.text
        (row,) = answer.json()["data"]
        told: dict[str, Any] = row
        return told

    @pytest.mark.parametrize(
        ("asked", "cik"),
        [({}, ALPHABET), ({"as_of": "2016-06-01"}, ALPHABET), ({"as_of": "2015-06-01"}, GOOGLE)],
    )
    async def test_counts_once(self, reader: httpx.AsyncClient, asked: dict[str, str], cik: int) -> None:
        found = await self.group(reader, period="CY2014", stats="coverage", **asked)
        in_group = {"group_by": "industry", "group": "7370", **asked}
        frame = (await reader.get("/v1/frames/revenue/CY2014", params=in_group)).json()["data"]

        assert (found["n"], found["sum"], found["expected"]) == (1, 66_001 * MILLION, 1)
        assert [row["cik"] for row in found["top"]] == [cik]
        assert [(row["cik"], row["value"]) for row in frame] == [(cik, 66_001 * MILLION)]

    async def test_is_the_same_member_a_year_before(self, reader: httpx.AsyncClient) -> None:
        first_year = await self.group(reader, period="CY2014", stats="growth")
        next_year = await self.group(reader, period="CY2015", stats="growth")

        # 66,001 over 55,519 and 74,989 over 66,001.
        assert first_year["growth"] == 0.188800230552
        assert next_year["growth"] == 0.136179754852

    async def test_has_a_margin_that_changes_by_a_difference(self, reader: httpx.AsyncClient) -> None:
        margin = await self.group(reader, metric="net_margin", period="CY2015", stats="growth")

        # 16,348 of 74,989, and 14,136 of 66,001.
        assert (margin["weighted"], margin["growth"], margin["weighted_change"]) == (
            0.218005307445,
            None,
            0.003826734393,
        )

    async def test_stands_where_the_one_it_goes_on_as_stands(self, reader: httpx.AsyncClient) -> None:
        async def standing(cik: int, **asked: str) -> list[tuple[int | None, str | None]]:
            asked = {"metrics": "revenue", "period": "CY2014", "group_by": "industry", **asked}
            answer = await reader.get(f"/v1/companies/{cik}/standing", params=asked)
            return [(row["rank"], row["reason"]) for row in answer.json()["data"]]

        assert await standing(ALPHABET) == [(1, None)]
        assert await standing(GOOGLE) == [(None, "counted_under_successor")]
        assert await standing(GOOGLE, as_of="2016-06-01") == [(None, "counted_under_successor")]
        assert await standing(GOOGLE, as_of="2015-06-01") == [(1, None)]
        assert await standing(GOOGLE, period="latest") == [(None, "counted_under_successor")]


class TestAFilingTheGroupsHaveNotTakenIn:
    @pytest.mark.parametrize("company", ["GOOGL", "Alphabet Inc."])
    async def test_leaves_the_company_standing_where_it_stood(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection, company: str
    ) -> None:
        facts = (duration("us-gaap:Revenues", "2016-01-01", "2016-12-31", "90272000000"),)
        fold(filed, report_filing(cik=ALPHABET, accession="0001652044-17-000008", facts=facts))

        async def standing(period: str) -> tuple[Any, ...]:
            asked = {"metrics": "revenue", "period": period, "group_by": "all"}
            (row,) = (await reader.get(f"/v1/companies/{company}/standing", params=asked)).json()["data"]
            return row["period"], row["value"], row["rank"], row["reason"]

        peers = await reader.get(f"/v1/companies/{company}/peers", params={"by": "sector"})

        assert await standing("latest") == ("CY2015", 74_989 * MILLION, 1, None)
        assert await standing("CY2016") == ("CY2016", None, None, "not_yet_counted")
        assert "for CY2015" in peers.json()["meta"]["warnings"][-1]

    async def test_is_that_of_the_latest_period_also_where_it_is_the_companys_first(
        self, reader: httpx.AsyncClient, filed: psycopg.Connection
    ) -> None:
        fold(filed, register_company(cik=7), report_filing(cik=7))

        (row,) = (await reader.get("/v1/companies/7/standing?metrics=revenue&group_by=all")).json()["data"]

        assert (row["period"], row["reason"]) == ("CY2023", "not_yet_counted")
