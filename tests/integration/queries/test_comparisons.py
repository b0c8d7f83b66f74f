"""Companies side by side, and the companies like one."""

import decimal
from decimal import Decimal
from typing import Any

import httpx
import psycopg

from tests.fixtures.crowd import Member
from tests.fixtures.figures import MICROSOFT
from tests.fixtures.frames import fill_frames


async def ask(client: httpx.AsyncClient, path: str, **asked: Any) -> dict[str, Any]:
    answer = await client.get(path, params=asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


class TestComparison:
    async def test_has_a_row_for_every_metric_period_and_company(self, client: httpx.AsyncClient) -> None:
        answer = await ask(client, "/v1/compare", companies="MSFT,AAPL", metrics="revenue,total_assets", last=3)

        shown = [(row["metric"], row["column"], row["company"], row["value"]) for row in answer["data"]]
        assert shown == [
            ("revenue", "CY2021", "MSFT", None),
            ("revenue", "CY2021", "AAPL", 365817000000),
            ("revenue", "CY2022", "MSFT", 198270000000),
            ("revenue", "CY2022", "AAPL", 394328000000),
            ("revenue", "CY2023", "MSFT", 211915000000),
            ("revenue", "CY2023", "AAPL", 383285000000),
            ("total_assets", "CY2021", "MSFT", None),
            ("total_assets", "CY2021", "AAPL", None),
            ("total_assets", "CY2022", "MSFT", None),
            ("total_assets", "CY2022", "AAPL", 352755000000),
            ("total_assets", "CY2023", "MSFT", 411976000000),
            ("total_assets", "CY2023", "AAPL", 352583000000),
        ]

    async def test_says_of_a_period_a_company_has_not_got_that_nothing_was_reported(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await ask(client, "/v1/compare", companies="AAPL,MSFT", metrics="total_assets", to="CY2021")

        absent = [(row["company"], row["period"], row["period_end"], row["reason"]) for row in answer["data"]]
        assert absent == [
            ("AAPL", "CY2021Q3I", "2021-09-25", "not_reported"),
            ("MSFT", "CY2021Q4I", None, "not_reported"),
        ]
        assert any("MSFT has no value" in warning for warning in answer["meta"]["warnings"])

    async def test_shows_what_stands_in_a_column_though_only_another_companys_period_is_among_those_asked_for(
        self, client: httpx.AsyncClient
    ) -> None:
        # Only Apple's year ends on such a day; Microsoft's of the same column ended on 2022-06-30.
        asked = {"companies": "AAPL,MSFT", "metrics": "revenue", "from": "2022-09-01", "to": "2022-12-31"}

        answer = await ask(client, "/v1/compare", **asked)

        shown = [(row["column"], row["company"], row["value"], row["reason"]) for row in answer["data"]]
        assert shown == [("CY2022", "AAPL", 394328000000, None), ("CY2022", "MSFT", 198270000000, None)]

    async def test_keeps_the_latest_periods_of_all_companies_together(
        self, client: httpx.AsyncClient, figures: psycopg.Connection
    ) -> None:
        figures.execute("delete from figures_v1.metric_value where cik = %s and period = 'CY2023'", [MICROSOFT])
        fill_frames(figures)

        answer = await ask(client, "/v1/compare", companies="MSFT,AAPL", metrics="revenue", last=1)

        assert [(row["column"], row["value"]) for row in answer["data"]] == [("CY2023", None), ("CY2023", 383285000000)]


class TestPeers:
    async def test_are_the_nearest_in_size_of_the_same_group(
        self, asking: httpx.AsyncClient, crowd: list[Member]
    ) -> None:
        for by in ("industry", "major_group", "sector"):
            own = next(member for member in crowd if member.value > 0 and member.group(by) is not None)

            answer = await ask(asking, f"/v1/companies/{own.cik}/peers", by=by, limit=8, numbers="text")

            others = [m for m in crowd if m.group(by) == own.group(by) and m.value > 0 and m is not own]
            with decimal.localcontext(prec=100):
                others.sort(key=lambda m: (max(m.value, own.value) / min(m.value, own.value), m.cik))
                ratios = [(member.value / own.value).quantize(Decimal("1e-12")) for member in others[:8]]
            assert [row["cik"] for row in answer["data"]] == [member.cik for member in others[:8]]
            assert [Decimal(row["ratio"]) for row in answer["data"]] == ratios

    async def test_of_a_company_without_size_or_group_are_none_and_it_says_so(
        self, asking: httpx.AsyncClient, crowd: list[Member]
    ) -> None:
        negative = next(member for member in crowd if member.value < 0)
        ungrouped = next(member for member in crowd if member.sector is None)

        without_size = await ask(asking, f"/v1/companies/{negative.cik}/peers")
        without_group = await ask(asking, f"/v1/companies/{ungrouped.cik}/peers", by="sector")

        assert (without_size["data"], without_group["data"]) == ([], [])
        assert without_size["meta"]["warnings"] == [f"{negative.company} has no revenue above zero in USD for CY2023"]
        assert without_group["meta"]["warnings"] == [f"{ungrouped.company} is in no sector"]

    async def test_of_a_company_alone_in_its_group_are_none_and_it_names_the_wider_group(
        self, client: httpx.AsyncClient
    ) -> None:
        in_industry = await ask(client, "/v1/companies/AAPL/peers")
        in_sector = await ask(client, "/v1/companies/AAPL/peers", by="sector")

        nobody = "has revenue above zero in USD for CY2023"
        assert (in_industry["data"], in_sector["data"]) == ([], [])
        assert in_industry["meta"]["warnings"] == [f"nobody else in industry 3571 {nobody}; ask by=major_group"]
        assert in_sector["meta"]["warnings"] == [f"nobody else in sector manufacturing {nobody}"]
