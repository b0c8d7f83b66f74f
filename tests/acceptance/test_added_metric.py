"""Adding a metric is one entry of the catalogue: everything else follows from it."""

import shutil
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.fixtures.other_catalogue import ROOT, run_with_catalogue

ENTRY = {
    "key": "cash_to_assets",
    "label": "Cash to assets",
    "description": "Cash as a share of total assets.",
    "kind": "ratio",
    "over": "instant",
    "unit": "pure",
    "statement": "ratio",
    "formula": "cash / total_assets",
}


@pytest.mark.slow
def test_turns_up_in_tables_rest_openapi_mcp_and_docs(
    tmp_path: Path, connection: psycopg.Connection, redis: Redis, database_url: str, redis_url: str
) -> None:
    page = shutil.copy(ROOT / "docs" / "figures.md", tmp_path / "figures.md")

    told = run_with_catalogue(
        tmp_path,
        lambda catalogue: catalogue["metrics"].append(ENTRY),
        *("tests.fixtures.added_metric", "cash_to_assets", str(page)),
        database_url=database_url,
        redis_url=redis_url,
    )

    assert told == {
        "metric": "cash / total_assets",
        "document": True,
        "series": [0.25],
        "operands": ["cash", "total_assets"],
        "searched": "cash_to_assets",
        "told": ["0.25"],
        "page": True,
    }
