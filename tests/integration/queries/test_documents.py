"""The OpenAPI documents: whole, valid, and true to what is answered."""

from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from queries.read_models.declaration import ReadModel, columns_of, nested_row

_TYPES = {
    "str": {"text"},
    "int": {"bigint", "integer", "smallint"},
    "Decimal": {"numeric"},
    "date": {"date"},
    "datetime": {"timestamp with time zone"},
    "list": {"ARRAY", "jsonb"},
    "bool": {"boolean"},
    "Literal": {"text"},
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    from queries.rest.openapi import build_document

    for path, item in build_document("3.1.1")["paths"].items():
        for method, declared in item.items():
            yield path, method, declared


class TestDocument:
    @pytest.mark.parametrize("version", ["3.1.1", "3.0.3"])
    def test_is_valid_in_both_versions(self, version: Any) -> None:
        from queries.rest.openapi import build_document

        document = build_document(version)

        validate(document)
        assert document["openapi"] == version

    def test_describes_every_parameter_with_limits_and_an_example(self) -> None:
        lacking = []
        for path, method, declared in operations():
            for parameter in declared.get("parameters", ()) if method == "get" else ():
                schema = parameter["schema"]
                bounded = {"enum", "maximum", "maxLength", "maxItems", "pattern", "format"} & set(schema)
                shown = (parameter if parameter.get("required") else schema).get("examples")
                if path.startswith("/v1/commands") or (parameter["description"] and bounded and shown):
                    continue
                lacking.append((path, parameter["name"]))
        assert lacking == []

    def test_describes_every_field(self) -> None:
        from queries.rest.catalog import OPERATIONS

        rows = {operation.read_model.row for operation in OPERATIONS}
        rows |= {inner for row in rows for column in columns_of(row) if (inner := nested_row(column.type))}

        assert all(column.help.endswith(".") for row in rows for column in columns_of(row))

    def test_names_each_operation_once_with_summary_description_and_tag(self) -> None:
        named = [declared["operationId"] for _, _, declared in operations()]

        assert len(named) == len(set(named))
        for path, method, declared in operations():
            assert declared["tags"], (path, method)
            assert declared["summary"], (path, method)
            assert declared["description"], (path, method)

    def test_shows_examples_that_fit_their_schemas(self) -> None:
        from queries.rest.catalog import OPERATIONS
        from queries.rest.openapi import build_document

        components = build_document("3.1.1")["components"]
        shown = 0
        for path, method, declared in operations():
            if method != "get" or path.startswith("/v1/commands"):
                continue
            if "text/event-stream" in declared["responses"]["200"]["content"]:
                continue
            content = declared["responses"]["200"]["content"]["application/json"]
            for example in content["examples"].values():
                Draft202012Validator({**content["schema"], "components": components}).validate(example["value"])
                shown += 1
        for response in components["responses"].values():
            content = response["content"]["application/problem+json"]
            schema = {**content["schema"], "components": components}
            for example in content["examples"].values():
                Draft202012Validator(schema).validate(example["value"])
        assert shown == len(OPERATIONS)

    def test_has_no_problem_whose_status_is_another(self) -> None:
        from config.problem_details import STATUS_BY_CODE
        from queries.rest.openapi import build_document

        for name, response in build_document("3.1.1")["components"]["responses"].items():
            for example in response["content"]["application/problem+json"]["examples"].values():
                shown = example["value"]
                assert STATUS_BY_CODE[shown["code"]] == shown["status"] == int(name.removeprefix("Problem"))

    @pytest.mark.parametrize("version", ["3.1.1", "3.0.3"])
    def test_says_of_every_operation_that_it_takes_a_key_and_how_it_refuses(self, version: Any) -> None:
        from queries.rest.openapi import build_document

        document = build_document(version)

        scheme = document["components"]["securitySchemes"]["ApiKey"]
        assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
        declared = [operation for item in document["paths"].values() for operation in item.values()]
        assert [operation["operationId"] for operation in declared if {"ApiKey": []} not in operation["security"]] == []
        lacking = [
            (operation["operationId"], status, code)
            for operation in declared
            for status, code in (("401", "unauthenticated"), ("403", "forbidden"), ("429", "rate_limited"))
            if code not in _codes_shown(document, operation["responses"][status])
        ]
        assert lacking == []


def _codes_shown(document: dict[str, Any], response: dict[str, Any]) -> set[str]:
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    examples = response["content"]["application/problem+json"]["examples"].values()
    return {example["value"]["code"] for example in examples}


class TestReadModels:
    def test_read_only_columns_that_exist(self, connection: psycopg.Connection) -> None:
        held = _columns(connection)

        missing = [
            (model.name, table, column)
            for model in _read_models()
            for table, columns in model.stored.items()
            for column in columns
            if (table, column) not in held
        ]

        assert missing == []

    def test_declare_the_types_the_tables_have(self, connection: psycopg.Connection) -> None:
        held = _columns(connection)

        differing = [
            (model.name, column.name, kind, held[table, column.name])
            for model in _read_models()
            for table, stored in model.stored.items()
            for column in model.columns
            if column.name in stored
            and (kind := getattr(column.type, "__name__", "list"))
            and held[table, column.name] not in _TYPES[kind]
        ]

        assert differing == []

    def test_are_told_apart_by_their_keys(self) -> None:
        for model in _read_models():
            assert set(model.key) <= {column.name for column in model.columns}


def _read_models() -> set[ReadModel]:
    from queries.rest.catalog import OPERATIONS

    return {operation.read_model for operation in OPERATIONS}


def _columns(connection: psycopg.Connection) -> dict[tuple[str, str], str]:
    rows = connection.execute(
        "select table_name, column_name, data_type from information_schema.columns where table_schema = 'figures_v1'"
    ).fetchall()
    return {(table, column): kind for table, column, kind in rows}


class TestPage:
    async def test_sends_questions_as_it_fills_them_in_that_have_an_answer(self, client: httpx.AsyncClient) -> None:
        answered = {}
        for path, method, declared in operations():
            if method == "get" and path.startswith("/v1/") and path not in {"/v1/stream", "/v1/commands/{id}"}:
                filled = dict(_filled_in(declared["parameters"]))
                inside = {parameter["name"]: parameter["in"] == "path" for parameter in declared["parameters"]}
                words = {name: value for name, value in filled.items() if inside[name]}
                asked = {name: value for name, value in filled.items() if not inside[name]}
                answer = await client.get(path.format(**words), params=asked)
                answered[path] = answer.status_code, answer.text[:200] if answer.is_error else ""

        assert len(answered) >= 18
        assert {path: told for path, told in answered.items() if told[0] != 200} == {}


def _filled_in(parameters: Iterable[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What Swagger UI puts into the fields of a question: examples of parameters, else defaults or an `example`."""
    for parameter in parameters:
        schema = parameter["schema"]
        shown = [shown["value"] for shown in parameter.get("examples", {}).values()]
        for value in [*shown, *(schema[name] for name in ("example", "default") if name in schema)][:1]:
            yield parameter["name"], ",".join(value) if isinstance(value, list) and not parameter["explode"] else value
