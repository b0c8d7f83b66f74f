"""Tools for agents, derived from the operations of the OpenAPI document that opt in with `x-mcp-tool`."""

from collections.abc import Mapping
from typing import Any

import msgspec
from mcp.types import Tool, ToolAnnotations

from queries.rest.catalog import OPERATIONS
from queries.rest.operation import Operation

Schema = dict[str, Any]

# What only a REST reader has a use for.
_NOT_FOR_AGENTS = frozenset({"numbers", "If-None-Match"})
_READS_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


class DerivedTool(msgspec.Struct, frozen=True, eq=False):
    """A tool and the operation that answers it."""

    definition: Tool
    operation: Operation


def derive_tools(document: Mapping[str, Any]) -> dict[str, DerivedTool]:
    """
    This will derive the tools from an OpenAPI 3.1 document, sorted by name.

    Input schemas are complete in themselves and use one type each, as several models' interfaces require.
    """
    operations = {operation.operation_id: operation for operation in OPERATIONS}
    found: dict[str, DerivedTool] = {}
    for item in document["paths"].values():
        for declared in item.values():
            told = declared.get("x-mcp-tool")
            if told is None:
                continue
            definition = Tool(
                name=told["name"],
                title=told["title"],
                description=told["description"],
                input_schema=_input_schema(declared["parameters"]),
                output_schema=_output_schema(document["components"]["schemas"]),
                annotations=_READS_ONLY,
            )
            found[told["name"]] = DerivedTool(definition, operations[declared["operationId"]])
    return dict(sorted(found.items()))


def _input_schema(parameters: list[dict[str, Any]]) -> Schema:
    taken = [parameter for parameter in parameters if parameter["name"] not in _NOT_FOR_AGENTS]
    return {
        "type": "object",
        "properties": {
            parameter["name"]: {**_unlisted(parameter["schema"]), "description": parameter["description"]}
            for parameter in taken
        },
        "required": [parameter["name"] for parameter in taken if parameter.get("required")],
        "additionalProperties": False,
    }


def _unlisted(schema: Schema) -> Schema:
    """The same schema without examples and the list of every metric: the search tool finds them at less cost."""
    plain = {name: part for name, part in schema.items() if name not in ("allOf", "examples")}
    return {**plain, "items": _unlisted(plain["items"])} if "items" in plain else plain


def _output_schema(components: Mapping[str, Schema]) -> Schema:
    meta = _inlined(components["AnswerMeta"], components)
    # What only some answers have would be read with every tool.
    meta["properties"] = {name: part for name, part in meta["properties"].items() if name in meta["required"]}
    table = {
        "columns": {"type": "array", "items": {"type": "string"}, "description": "Names of the cells of a row."},
        "rows": {
            "type": "array",
            "items": {"type": "array"},
            "description": "Rows of cells. Exact values are decimal text; null means absent, never zero.",
        },
        "nested_columns": {
            "type": "object",
            "description": "Names of the cells of rows that lie inside a cell.",
        },
        "meta": portable({key: part for key, part in meta.items() if key != "description"}),
    }
    return {"type": "object", "properties": table, "required": ["columns", "rows", "meta"]}


def _inlined(node: Any, components: Mapping[str, Schema]) -> Any:
    """The same schema with every reference replaced by what it refers to."""
    if isinstance(node, list):
        return [_inlined(part, components) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        node = components[node["$ref"].rpartition("/")[2]]
    elif len(node.get("allOf", ())) == 1:
        inner = _inlined(node["allOf"][0], components)
        node = {**inner, **{name: part for name, part in node.items() if name != "allOf"}}
    return {name: _inlined(part, components) for name, part in node.items()}


def portable(node: Any) -> Any:
    """The same schema with one type each: `["string", "null"]` becomes anyOf, which more readers understand."""
    if isinstance(node, list):
        return [portable(part) for part in node]
    if not isinstance(node, dict):
        return node
    changed = {name: portable(part) for name, part in node.items() if name not in ("examples", "x-unit")}
    kinds = changed.get("type")
    if not isinstance(kinds, list):
        return changed
    about = {name: changed.pop(name) for name in ("description", "default") if name in changed}
    del changed["type"]
    one_each = [{"type": "null"} if kind == "null" else {"type": kind, **changed} for kind in kinds]
    return {**about, "anyOf": one_each}
