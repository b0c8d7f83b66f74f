"""From a figure over a group down to the filings it comes from, by nothing but what each answer names."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis

from tests.fixtures.real_filings import ALPHABET, APPLE, GOOGLE, JPMORGAN, report_real_filings


@pytest.fixture
async def reader(connection: psycopg.Connection, redis: Redis) -> AsyncIterator[httpx.AsyncClient]:
    """The read API over real filings."""
    from tests.fixtures.read_api import asgi_client, running_read_api

    report_real_filings(connection, redis)
    async with running_read_api() as app, asgi_client(app) as client:
        yield client


async def rows(reader: httpx.AsyncClient, path: str, **asked: str) -> list[dict[str, Any]]:
    answer = await reader.get(path, params={**asked, "numbers": "text"})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


class TestTheLargestMemberOfAGroup:
    @pytest.mark.parametrize(
        ("metric", "period", "as_of", "cik"),
        [
            pytest.param("revenue", "CY2023", {}, JPMORGAN, id="filed once"),
            pytest.param("revenue", "CY2013", {}, GOOGLE, id="under a CIK that others go on as"),
            pytest.param("revenue", "CY2014", {}, ALPHABET, id="under the CIK it goes on as"),
            pytest.param("revenue", "CY2014", {"as_of": "2015-06-30"}, GOOGLE, id="as of an instant before that"),
            pytest.param("eps_diluted", "CY2018", {}, APPLE, id="restated for a split"),
            pytest.param("eps_diluted", "CY2018", {"as_of": "2019-01-01"}, APPLE, id="as first reported"),
            pytest.param("net_margin", "CY2015", {}, ALPHABET, id="worked out of two figures"),
            pytest.param("operating_cash_flow", "CY2019Q2TTM", {}, APPLE, id="added up from three facts"),
        ],
    )
    async def test_has_the_same_filing_in_the_frame_the_filings_and_the_explanation(
        self, reader: httpx.AsyncClient, metric: str, period: str, as_of: dict[str, str], cik: int
    ) -> None:
        (group,) = await rows(reader, "/v1/aggregates", metric=metric, period=period, group_by="all", **as_of)
        top = group["top"][0]

        frame = await rows(reader, f"/v1/frames/{metric}/{period}", sort="value", order="desc", **as_of)
        company = str(frame[0]["cik"])
        filings = await rows(reader, f"/v1/companies/{company}/filings", **as_of)
        (explained,) = await rows(reader, "/v1/explain", company=company, metric=metric, period=period, **as_of)

        accession = frame[0]["accession"]
        assert top["cik"] == frame[0]["cik"] == cik
        assert top["value"] == frame[0]["value"] == explained["value"]
        assert explained["accession"] == accession
        behind = {accession, *(each["accession"] for each in (*explained["sources"], *explained["operands"]))}
        assert behind <= {filing["accession"] for filing in filings}
        assert group["n"] == len(frame)
