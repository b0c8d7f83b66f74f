"""
What two other tools make of the same companyfacts files, written as JSON for tests.oracle.beside.

Runs in an environment of its own, which has `edgartools` and `openbb-sec` and nothing of this project:

    python tests/oracle/other_readings.py OUT.json COMPANYFACTS...
"""

import gzip
import json
import sys
import warnings
from pathlib import Path
from typing import Any

Reading = dict[str, Any]

MANY = 80
"""More periods than any company has."""


def edgartools(document: dict[str, Any]) -> list[Reading]:
    """Annual and quarterly statements by the tool's own labels: it names periods, not dates."""
    from edgar.entity.parser import EntityFactsParser  # type: ignore[import-not-found]  # not a dependency

    facts = EntityFactsParser.parse_company_facts(document)
    rows: list[Reading] = []
    for period_type in ("annual", "quarterly"):
        for statement in (facts.income_statement, facts.balance_sheet, facts.cash_flow_statement):
            frame = statement(periods=MANY, period=period_type).to_dataframe()
            labels = [column for column in frame.columns if column[:2] in ("FY", "Q1", "Q2", "Q3", "Q4")]
            for concept, row in frame.iterrows():
                rows += [
                    {"type": period_type, "item": str(concept), "label": label, "value": float(row[label])}
                    for label in labels
                    if row[label] == row[label]  # a number, not NaN
                ]
    return rows


def openbb(document: dict[str, Any]) -> list[Reading]:
    """Annual and quarterly statements by the date they end on."""
    from openbb_sec.utils.company_facts import (  # type: ignore[import-not-found]  # not a dependency
        resolve_company_facts,
    )

    statements = resolve_company_facts(document, period="both")
    return [
        {
            "type": record["frequency"],
            "item": record["tag"],
            "end": record["period_ending"],
            "value": record["value"],
            "source": record["source"],
        }
        for statement in (statements.income_statement, statements.balance_sheet, statements.cash_flow)
        for record in statement
    ]


def main() -> None:
    out, *paths = map(Path, sys.argv[1:])
    warnings.simplefilter("ignore")
    readings = {}
    for path in paths:
        document = json.loads(gzip.decompress(path.read_bytes()))
        readings[path.name] = {"edgartools": edgartools(document), "openbb": openbb(document)}
        print(path.name, {tool: len(rows) for tool, rows in readings[path.name].items()}, flush=True)
    out.write_text(json.dumps(readings))


if __name__ == "__main__":
    main()
