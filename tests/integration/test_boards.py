"""Grafana's boards and data sources have their form, and every query of theirs has an answer for who asks it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.fixtures.figures import write_figures

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
BOARDS = ("figures.json", "operations.json")

TEXT = {"type": "string"}
SOURCE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "uid"],
    "properties": {"type": {"enum": ["postgres", "prometheus"]}, "uid": TEXT},
}
SIDE = {"type": "integer", "minimum": 0}
PANEL = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "type", "title", "datasource", "gridPos", "fieldConfig", "targets"],
    "properties": {
        "id": {"type": "integer"},
        "type": {"enum": ["timeseries", "stat", "table", "barchart"]},
        "title": {"type": "string", "minLength": 1},
        "description": TEXT,
        "datasource": SOURCE,
        "gridPos": {
            "type": "object",
            "additionalProperties": False,
            "required": ["h", "w", "x", "y"],
            "properties": dict.fromkeys("hwxy", SIDE),
        },
        "fieldConfig": {
            "type": "object",
            "required": ["defaults", "overrides"],
            "properties": {"defaults": {"type": "object"}, "overrides": {"type": "array"}},
        },
        "options": {"type": "object"},
        "targets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["refId"],
                "oneOf": [{"required": ["expr"]}, {"required": ["rawSql", "format", "rawQuery"]}],
                "properties": {
                    "refId": {"type": "string", "pattern": "^[A-Z]$"},
                    "datasource": SOURCE,
                    "expr": TEXT,
                    "legendFormat": TEXT,
                    "rawSql": TEXT,
                    "rawQuery": {"const": True},
                    "editorMode": {"const": "code"},
                    "format": {"enum": ["table", "time_series"]},
                },
            },
        },
    },
}
# The part of Grafana's schema of a board that ours use; anything else is a misspelling.
BOARD = {
    "type": "object",
    "additionalProperties": False,
    "required": ["title", "uid", "schemaVersion", "panels"],
    "properties": {
        "title": TEXT,
        "uid": {"type": "string", "maxLength": 40},
        "schemaVersion": {"const": 39},
        "tags": {"type": "array", "items": TEXT},
        "timezone": {"enum": ["utc"]},
        "refresh": {"type": "string", "pattern": "^[0-9]+[smh]$"},
        "time": {"type": "object", "required": ["from", "to"]},
        "templating": {"type": "object", "required": ["list"]},
        "panels": {"type": "array", "items": PANEL},
    },
}


def board(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((DEPLOY / "grafana" / name).read_bytes())
    return found


def mapping(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return found


def cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    place = panel["gridPos"]
    for x in range(place["x"], place["x"] + place["w"]):
        yield from ((x, y) for y in range(place["y"], place["y"] + place["h"]))


class TestBoards:
    @pytest.mark.parametrize("name", BOARDS)
    def test_have_the_form_of_a_board_with_room_for_every_panel(self, name: str) -> None:
        panels = board(name)["panels"]

        Draft202012Validator(BOARD).validate(board(name))
        taken = [cell for panel in panels for cell in cells(panel)]
        assert len({panel["id"] for panel in panels}) == len(panels)
        assert len(set(taken)) == len(taken)
        assert all(x < 24 for x, _ in taken)

    def test_ask_sources_that_are_provisioned_with_what_compose_gives(self) -> None:
        sources = {(source["type"], source["uid"]) for source in mapping("grafana/datasources.yaml")["datasources"]}
        asked = {tuple(panel["datasource"].values()) for panel in board("figures.json")["panels"]}
        wanted = set(re.findall(r"\$(\w+)", (DEPLOY / "grafana" / "datasources.yaml").read_text()))
        services = mapping("compose.yaml")["services"]
        mounted = {volume.split(":")[0] for name in ("grafana", "prometheus") for volume in services[name]["volumes"]}

        assert asked == sources
        assert wanted <= set(services["grafana"]["environment"])
        assert {f"./grafana/{path.name}" for path in (DEPLOY / "grafana").iterdir()} <= mounted


class TestQueries:
    def test_of_the_board_have_answers_for_the_role_of_bi_tools(self, connection: psycopg.Connection) -> None:
        write_figures(connection)
        connection.execute(
            "update figures_v1.group_aggregate set metric = 'net_margin', n = 3 "
            "where metric = 'revenue' and group_key = 'services'"
        )
        chosen: dict[str, str] = {}
        figures = board("figures.json")

        connection.execute("set role factfold_bi")
        try:
            for variable in figures["templating"]["list"]:
                answer = connection.execute(variable["query"].encode()).fetchall()
                offered = [str(row[0]) for row in answer]
                chosen[variable["name"]] = variable.get("current", {}).get("value", offered[0])
                assert chosen[variable["name"]] in offered
            for panel in figures["panels"]:
                for target in panel["targets"]:
                    if "rawSql" not in target:
                        continue
                    statement = re.sub(r"\$(\w+)", lambda match: chosen[match[1]], target["rawSql"])
                    cursor = connection.execute(statement.encode())
                    row = cursor.fetchone()
                    assert row, panel["title"]
                    if target["format"] == "time_series":
                        told = {column.name: column.type_code for column in cursor.description or ()}
                        assert told["time"] == psycopg.adapters.types["timestamptz"].oid, panel["title"]
        finally:
            connection.execute("reset role")
