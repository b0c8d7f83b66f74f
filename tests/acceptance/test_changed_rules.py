"""A release with another formula says that the figures are those of the last, until they are worked out anew."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from tests.factories import duration, register_company, report_filing
from tests.fixtures.other_catalogue import run_with_catalogue
from tests.fixtures.real_filings import report

YEAR = ("2023-01-01", "2023-12-31")
FACTS = (
    duration("us-gaap:Revenues", *YEAR, "100"),
    duration("us-gaap:NetIncomeLoss", *YEAR, "10"),
    duration("us-gaap:NetCashProvidedByUsedInOperatingActivities", *YEAR, "25"),
)


def change_margin(catalogue: dict[str, Any]) -> None:
    (margin,) = [metric for metric in catalogue["metrics"] if metric["key"] == "net_margin"]
    margin["formula"] = "operating_cash_flow / revenue"


@pytest.mark.slow
def test_are_told_of_until_a_rebuild_whose_figures_verify(
    tmp_path: Path, connection: psycopg.Connection, redis: Redis, database_url: str, redis_url: str
) -> None:
    report(connection, redis, register_company(cik=7), report_filing(cik=7, facts=FACTS))

    before, after = run_with_catalogue(
        tmp_path, change_margin, "tests.fixtures.changed_rules", database_url=database_url, redis_url=redis_url
    )

    assert before == {"of_other_rules": True, "values": ["0.1"]}
    assert after == {"of_other_rules": False, "values": ["0.25"]}
