"""Which companies are there, and which one a reader means."""

from datetime import date
from difflib import SequenceMatcher
from typing import Any

import httpx
import psycopg
import pytest

from queries.metrics.groupings import GROUPINGS
from tests.fixtures.figures import ALPHABET, APPLE, NAMESAKE, OTHER_NAMESAKE


class TestOneCompany:
    @pytest.mark.parametrize(
        "reference", ["320193", "0000320193", "CIK320193", "cik:0000320193", "AAPL", "aapl", "Apple Inc.", "apple inc."]
    )
    async def test_is_found_by_cik_ticker_and_exact_name(self, client: httpx.AsyncClient, reference: str) -> None:
        answer = await client.get(f"/v1/companies/{reference}")

        assert answer.status_code == 200
        assert [row["cik"] for row in answer.json()["data"]] == [APPLE]

    async def test_is_found_by_any_of_its_tickers_and_called_by_the_first(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/GOOG")

        assert [(row["company"], row["cik"]) for row in answer.json()["data"]] == [("GOOGL", ALPHABET)]

    async def test_names_every_group_it_belongs_to(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        figures.execute("update figures_v1.company set size_class = 'large_accelerated' where cik = %s", (APPLE,))

        (row,) = (await client.get(f"/v1/companies/{APPLE}")).json()["data"]

        assert {by: row[by] for by in GROUPINGS if by != "all"} == {
            "sector": "manufacturing",
            "major_group": "35",
            "industry": "3571",
            "country": "US",
            "size_class": "large_accelerated",
        }

    async def test_of_a_name_that_several_have_is_a_choice_of_candidates(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/delta holdings")

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "ambiguous_company")
        assert problem["candidates"] == [f"{NAMESAKE} Delta Holdings", f"{OTHER_NAMESAKE} DELTA HOLDINGS"]

    @pytest.mark.parametrize("misspelt", ["AAPLE", "Apple", "Appel Inc"])
    async def test_that_is_unknown_names_near_ones(self, client: httpx.AsyncClient, misspelt: str) -> None:
        answer = await client.get(f"/v1/companies/{misspelt}")

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (404, "unknown_company")
        assert problem["candidates"][0] == "320193 Apple Inc. (AAPL)"
        assert problem["fix"]

    async def test_that_is_unknown_is_compared_with_few(
        self, client: httpx.AsyncClient, figures: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        figures.execute(
            "insert into figures_v1.company (cik, name, name_as_filed, tickers) "
            "select n, 'Apparel ' || n, 'Apparel ' || n, array['AP' || n] from generate_series(1, 150) n"
        )
        compared: list[int] = []
        ratio = SequenceMatcher.ratio

        def counted(self: Any) -> float:
            compared.append(len(self.a) * len(self.b))
            return ratio(self)

        monkeypatch.setattr(SequenceMatcher, "ratio", counted)

        answer = await client.get(f"/v1/companies/apparel 77{'l' * 180}")

        assert (answer.status_code, answer.json()["candidates"][0]) == (404, "77 Apparel 77 (AP77)")
        assert len(compared) <= 20
        assert sum(compared) <= 20 * 60 * 64

    async def test_with_a_slash_or_percent_in_its_name_is_asked_for_safely(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/A%2FS%20100%25%20%5F")

        assert answer.status_code == 404


class TestListOfCompanies:
    async def test_puts_the_best_fit_first(self, client: httpx.AsyncClient, figures: psycopg.Connection) -> None:
        figures.execute(
            "insert into figures_v1.company (cik, name, name_as_filed, tickers) "
            "values (7, 'Aaplinghaus', 'Aaplinghaus', '{}'), (8, 'Old AAPL Works', 'Old AAPL Works', '{}')"
        )

        answer = await client.get("/v1/companies", params={"q": "aapl"})

        assert [row["cik"] for row in answer.json()["data"]] == [APPLE, 7, 8]

    async def test_is_paged_without_gaps_or_doubles(self, client: httpx.AsyncClient) -> None:
        whole = (await client.get("/v1/companies")).json()["data"]

        seen, cursor = [], None
        while True:
            page = (
                await client.get("/v1/companies", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
            ).json()
            seen += page["data"]
            cursor = page["next_cursor"]
            assert cursor == page["meta"]["next_cursor"]
            if cursor is None:
                break

        assert seen == whole
        assert len(whole) == 6

    async def test_goes_on_behind_the_longest_name_there_may_be(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        longest = "\U00020bb7" * 500
        company = "insert into figures_v1.company (cik, name, name_as_filed) values (%s, %s, %s)"
        figures.cursor().executemany(company, [(cik, longest, longest) for cik in (7, 8)])
        first = await client.get("/v1/companies", params={"limit": 7})

        second = await client.get(first.links["next"]["url"])

        assert ([row["cik"] for row in first.json()["data"]][-1], second.status_code) == (7, 200)
        assert [row["cik"] for row in second.json()["data"]] == [8]

    async def test_tells_the_next_page_in_a_link(self, client: httpx.AsyncClient) -> None:
        first = await client.get("/v1/companies", params={"limit": 4})

        second = await client.get(first.links["next"]["url"])

        assert len(second.json()["data"]) == 2

    @pytest.mark.parametrize("sector", ["services", "Services"])
    async def test_keeps_to_a_sector(self, client: httpx.AsyncClient, sector: str) -> None:
        answer = await client.get("/v1/companies", params={"sector": sector})

        assert [row["company"] for row in answer.json()["data"]] == ["GOOGL", "MSFT"]

    @pytest.mark.parametrize("cursor", ["nonsense", "W10", "WzEsMl0", "é"])
    async def test_refuses_a_damaged_cursor(self, client: httpx.AsyncClient, cursor: str) -> None:
        answer = await client.get("/v1/companies", params={"cursor": cursor})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")

    async def test_refuses_the_cursor_of_another_question(self, client: httpx.AsyncClient) -> None:
        page = (await client.get("/v1/companies", params={"limit": 1})).json()

        answer = await client.get(
            "/v1/companies", params={"limit": 1, "sector": "services", "cursor": page["next_cursor"]}
        )

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


class TestFormerNames:
    @pytest.fixture(autouse=True)
    def _some_names(self, figures: psycopg.Connection) -> None:
        figures.cursor().executemany(
            "insert into figures_v1.company_former_name (cik, name_as_filed, name, until) values (%s, %s, %s, %s)",
            [
                (APPLE, "APPLE  COMPUTER INC", "APPLE COMPUTER INC", date(2007, 1, 4)),
                (APPLE, "APPLE INC", "APPLE INC", date(2019, 8, 5)),
                (APPLE, "Apple inc", "Apple inc", None),
                (ALPHABET, "Apple Inc.", "Apple Inc.", None),
                (ALPHABET, "GOOGLE INC.", "GOOGLE INC.", date(2015, 10, 2)),
                (NAMESAKE, "Google Inc.", "Google Inc.", None),
            ],
        )

    async def test_are_shown_the_last_one_first(self, client: httpx.AsyncClient) -> None:
        (row,) = (await client.get("/v1/companies/AAPL")).json()["data"]

        assert row["former_names"] == [
            {"name": "Apple inc", "until": None},
            {"name": "APPLE INC", "until": "2019-08-05"},
            {"name": "APPLE COMPUTER INC", "until": "2007-01-04"},
        ]

    @pytest.mark.parametrize("name", ["apple computer inc", "APPLE INC", "Apple Inc."])
    async def test_find_a_company_after_the_names_of_today(self, client: httpx.AsyncClient, name: str) -> None:
        answer = await client.get(f"/v1/companies/{name}/series", params={"metrics": "revenue", "last": 1})

        assert [row["cik"] for row in answer.json()["data"]] == [APPLE]

    async def test_that_several_had_are_a_choice_of_candidates(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/companies/google inc.")

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "ambiguous_company")
        assert problem["detail"] == "'google inc.' is the former name of 2 companies"
        assert problem["candidates"] == [f"{ALPHABET} Alphabet Inc. (GOOGL, GOOG)", f"{NAMESAKE} Delta Holdings"]

    async def test_are_searched_last(self, client: httpx.AsyncClient) -> None:
        companies = await client.get("/v1/companies", params={"q": "goog"})
        hits = await client.get("/v1/search", params={"query": "computer"})

        assert [row["cik"] for row in companies.json()["data"]] == [ALPHABET, NAMESAKE]
        assert [(hit["id"], hit["detail"]) for hit in hits.json()["data"]] == [
            ("AAPL", "CIK 320193, manufacturing, formerly APPLE COMPUTER INC")
        ]


class TestFilings:
    @pytest.mark.parametrize("form", ["10-K", "10-k"])
    async def test_keep_to_a_form(self, client: httpx.AsyncClient, form: str) -> None:
        answer = await client.get("/v1/companies/MSFT/filings", params={"form": form})

        assert [row["accession"] for row in answer.json()["data"]] == ["0000950170-23-035122", "0001564590-22-026876"]

    async def test_come_with_the_last_known_first_and_page_on(self, client: httpx.AsyncClient) -> None:
        first = (await client.get("/v1/companies/AAPL/filings", params={"limit": 2})).json()

        second = (
            await client.get("/v1/companies/AAPL/filings", params={"limit": 2, "cursor": first["next_cursor"]})
        ).json()

        accessions = [row["accession"] for row in first["data"] + second["data"]]
        assert accessions == ["0000320193-23-000106", "0000320193-22-000108", "0000320193-21-000105"]
        assert second["next_cursor"] is None
        assert first["data"][0]["url"] == "https://www.sec.gov/Archives/edgar/data/320193/000032019323000106/"

    async def test_as_of_a_day_are_those_known_by_its_end(self, client: httpx.AsyncClient) -> None:
        before = await client.get("/v1/companies/AAPL/filings", params={"as_of": "2023-11-01"})
        after = await client.get("/v1/companies/AAPL/filings", params={"as_of": "2023-11-02"})

        assert (len(before.json()["data"]), len(after.json()["data"])) == (2, 3)

    @pytest.mark.parametrize(
        ("asked", "withdrawn_at"),
        [
            ({}, "2023-12-01T12:00:00Z"),
            ({"as_of": "2023-12-01T12:00:00Z"}, "2023-12-01T12:00:00Z"),
            ({"as_of": "2023-11-30"}, None),
        ],
    )
    async def test_tell_only_of_withdrawals_that_were_known(
        self, client: httpx.AsyncClient, figures: psycopg.Connection, asked: dict[str, str], withdrawn_at: str | None
    ) -> None:
        withdrawal = "update figures_v1.filing set withdrawn_at = '2023-12-01T12:00:00Z' where accession = %s"
        figures.execute(withdrawal, ["0000320193-23-000106"])

        answer = await client.get("/v1/companies/AAPL/filings", params={"limit": "1", **asked})

        (row,) = answer.json()["data"]
        assert (row["accession"], row["withdrawn_at"]) == ("0000320193-23-000106", withdrawn_at)


class TestSearch:
    async def test_finds_companies_and_metrics(self, client: httpx.AsyncClient) -> None:
        companies = await client.get("/v1/search", params={"query": "micro"})
        metrics = await client.get("/v1/search", params={"query": "net margin"})

        assert [(hit["kind"], hit["id"]) for hit in companies.json()["data"]] == [("company", "MSFT")]
        assert [(hit["kind"], hit["id"]) for hit in metrics.json()["data"]] == [("metric", "net_margin")]

    @pytest.mark.parametrize(
        ("words", "meant"),
        [
            ("net profit", "net_income"),
            ("earnings", "net_income"),
            ("operating profit", "operating_income"),
            ("turnover", "revenue"),
            ("cost of sales", "cost_of_revenue"),
            ("R&D", "rnd_expense"),
            ("stockholders equity", "equity"),
            ("share repurchases", "buybacks"),
        ],
    )
    async def test_finds_metrics_by_what_else_they_are_called(
        self, client: httpx.AsyncClient, words: str, meant: str
    ) -> None:
        found = await client.get("/v1/search", params={"query": words})
        refused = await client.get(f"/v1/metrics/{words}")

        assert meant in [hit["id"] for hit in found.json()["data"]]
        assert meant in refused.json()["candidates"]


class TestMetrics:
    async def test_are_the_published_catalogue(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/metrics")

        keys = [row["metric"] for row in answer.json()["data"]]
        assert keys[0] == "revenue"
        assert "selling_expense" not in keys

    async def test_that_are_unknown_name_near_ones(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/metrics/revenues")

        assert answer.status_code == 404
        assert "revenue" in answer.json()["candidates"]
