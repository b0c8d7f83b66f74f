"""Adding a metric is one entry of the catalogue: everything else follows from it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from redis import Redis

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("access", "commands", "config", "mcp_tools", "projections", "queries")
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
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    catalogue = tmp_path / "queries" / "metrics" / "catalogue.json"
    entries = json.loads(catalogue.read_text())
    entries["metrics"].append(ENTRY)
    catalogue.write_text(json.dumps(entries))
    page = shutil.copy(ROOT / "docs" / "figures.md", tmp_path / "figures.md")

    told = subprocess.run(
        [sys.executable, "-m", "tests.fixtures.added_metric", "cash_to_assets", str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DATABASE_URL": database_url, "REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout.splitlines()[-1]) == {
        "metric": "cash / total_assets",
        "document": True,
        "series": [0.25],
        "operands": ["cash", "total_assets"],
        "searched": "cash_to_assets",
        "told": ["0.25"],
        "page": True,
    }
