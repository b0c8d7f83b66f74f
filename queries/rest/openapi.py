"""The OpenAPI document: what drf-spectacular reads from the views, with what holds for every operation added."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings

from queries.metrics.catalogue import load_catalogue
from queries.rest.catalog import CHANGE_STREAM, OPERATIONS

Version = Literal["3.1.1", "3.0.3"]
Document = dict[str, Any]

_PROBLEM = {
    "type": "object",
    "description": "Why there is no answer (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "request_id", "errors", "fix"],
    "properties": {
        "type": {"type": "string", "description": "URI of the kind of problem."},
        "title": {"type": "string", "description": "The kind of problem in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What is so in this case."},
        "code": {"type": "string", "description": "Stable name of the problem, the same for agents' tools."},
        "request_id": {"type": "string", "description": "Finds this request in the log."},
        "errors": {
            "type": "array",
            "description": "What is wrong with each part of the question.",
            "items": {
                "type": "object",
                "required": ["pointer", "reason", "fix"],
                "properties": {
                    "pointer": {"type": "string", "description": "The part: a parameter or a place in the body."},
                    "reason": {"type": "string", "description": "What is wrong with it."},
                    "fix": {"type": "string", "description": "What would be right."},
                },
            },
        },
        "fix": {"type": "string", "description": "What to change."},
        "candidates": {
            "type": "array",
            "description": "Near matches to choose from.",
            "items": {"type": "string"},
        },
        "position": {
            "type": "integer",
            "description": "How far the figures have come (503), or from where changes are kept (410).",
        },
    },
}


def _problem(status: int, code: str, title: str, detail: str, fix: str, **members: Any) -> dict[str, Any]:
    return {
        "type": f"urn:factfold:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": "9f0c6a1be2d34f58a7c1d2e3",
        "errors": [],
        "fix": fix,
        **members,
    }


_PROBLEMS: dict[int, tuple[str, dict[str, Any]]] = {
    400: (
        "A parameter is unknown, missing or outside its limits.",
        _problem(
            400,
            "invalid_parameter",
            "The request is not valid",
            "last: it has to be at most 60",
            "last: The latest so many periods. Example: 5",
            errors=[
                {
                    "pointer": "last",
                    "reason": "it has to be at most 60",
                    "fix": "last: The latest so many periods. Example: 5",
                }
            ],
        ),
    ),
    404: (
        "There is no such company, metric, value or page.",
        _problem(
            404,
            "unknown_company",
            "There is no such thing here",
            "there is no company 'APPL'",
            "Use a CIK, a ticker or the exact name; /v1/companies?q= finds them by their beginning.",
            candidates=["320193 Apple Inc. (AAPL)"],
        ),
    ),
    406: (
        "The answer does not come in any form that is accepted.",
        _problem(
            406,
            "not_acceptable",
            "This form of answer is not offered",
            "this address answers application/json only",
            "Drop Accept, or put .csv or .parquet behind the path where the operation offers it.",
        ),
    ),
    409: (
        "More than one company or period is meant.",
        _problem(
            409,
            "ambiguous_company",
            "The request contradicts what is so",
            "'delta holdings' is the name of 2 companies",
            "Ask again with one of the candidates' CIK.",
            candidates=["9000002 Delta Holdings", "9000003 DELTA HOLDINGS"],
        ),
    ),
    410: (
        "What changed since that position is no longer known; `position` says since when it is.",
        _problem(
            410,
            "changes_expired",
            "This is no longer kept",
            "changes are kept from position 48000 on, not from 120",
            "Ask anew for what you hold, then for changes since the position of that answer.",
            position=48000,
        ),
    ),
    503: (
        "The figures have not come so far yet, or a server is away; Retry-After says when to try again.",
        _problem(
            503,
            "position_not_reached",
            "Not ready to answer",
            "the figures stand at position 48210, not yet at 48222",
            "Ask again after the time in Retry-After, or without min_position.",
            position=48210,
        ),
    ),
}
_ALWAYS = (400, 404, 406, 503)

_HEADERS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "ETag": ("Strong tag of these bytes.", {"type": "string"}, '"48210-9c1185a5c5e9fc54"'),
    "Cache-Control": (
        "How long the answer may be shown without asking again.",
        {"type": "string"},
        "public, max-age=10, stale-while-revalidate=60",
    ),
    "X-Factfold-Position": ("The position in meta.", {"type": "integer"}, 48210),
    "X-Factfold-Source": ("The source in meta.", {"type": "string", "enum": ["redis", "postgres"]}, "redis"),
    "X-Request-Id": ("The id sent with the request, or a new one.", {"type": "string"}, "9f0c6a1be2d34f58a7c1d2e3"),
    "Link": (
        "The next page, where there is one, and this document.",
        {"type": "string"},
        '</schema/openapi.json>; rel="service-desc"',
    ),
    "Retry-After": ("Seconds to wait.", {"type": "integer"}, 1),
}
_STREAM_HEADERS = ("Cache-Control", "X-Request-Id")
_SUCCESS_HEADERS = ("ETag", "Cache-Control", "X-Factfold-Position", "X-Factfold-Source", "X-Request-Id", "Link")


@cache
def build_document(version: Version) -> Document:
    """This will write the document for every operation Django's URLs declare, in one version of OpenAPI, once."""
    # drf-spectacular's own settings and generator carry no annotations.
    options: Any = spectacular_settings
    generator: Any = SchemaGenerator
    options.apply_patches({"OAS_VERSION": version})
    try:
        document: Document = generator().get_schema(request=None, public=True)
    finally:
        options.clear_patches()
    if version.startswith("3.1"):
        return document
    older: Document = _as_3_0(document)
    older["info"]["license"] = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
    return older


def add_common_parts(result: Document, generator: Any, request: Any, public: bool) -> Document:
    """
    This will add what holds for every reading operation: problems, headers, the 304.

    Named in drf-spectacular's POSTPROCESSING_HOOKS.
    """
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["schemas"]["MetricKey"] = {
        "type": "string",
        "description": "Keys of the metric catalogue.",
        "enum": [metric.key for metric in load_catalogue().published()],
    }
    components["responses"] = {
        f"Problem{status}": _problem_response(status, text, example) for status, (text, example) in _PROBLEMS.items()
    }
    components["headers"] = {
        name: {"description": text, "schema": schema, "example": example}
        for name, (text, schema, example) in _HEADERS.items()
    }
    for operation in (*OPERATIONS, CHANGE_STREAM):
        declared = result.get("paths", {}).get(operation.path, {}).get("get")
        if declared is None:
            continue
        responses = declared["responses"]
        success = responses["200"]
        headers = _STREAM_HEADERS if operation is CHANGE_STREAM else _SUCCESS_HEADERS
        success["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
        if operation is not CHANGE_STREAM:
            responses["304"] = {"description": "The answer you hold still stands."}
        for status in sorted({*_ALWAYS, *operation.errors}):
            responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        declared["responses"] = dict(sorted(responses.items()))
    return result


def _problem_response(status: int, text: str, example: Mapping[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": text,
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": {
            "application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {"example": {"value": dict(example)}},
            }
        },
    }
    if status == 503:
        response["headers"]["Retry-After"] = {"$ref": "#/components/headers/Retry-After"}
    return response


def _as_3_0(node: Any) -> Any:
    """The same document without what only 3.1 knows: null as a type, and lists of examples in schemas."""
    if isinstance(node, list):
        return [_as_3_0(part) for part in node]
    if not isinstance(node, dict):
        return node
    changed = {name: _as_3_0(part) for name, part in node.items()}
    kinds = changed.get("type")
    if isinstance(kinds, list):
        rest = [kind for kind in kinds if kind != "null"]
        changed["type"] = rest[0]
        changed["nullable"] = True
    for union in ("oneOf", "anyOf"):
        if {"type": "null"} in (changed.get(union) or []):
            changed[union] = [part for part in changed[union] if part != {"type": "null"}]
            changed["nullable"] = True
    if isinstance(changed.get("examples"), list):
        changed["example"] = changed.pop("examples")[0]
    return changed
