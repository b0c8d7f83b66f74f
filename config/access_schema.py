"""What the OpenAPI document says of access: the key, and how each operation refuses who may not ask."""

from typing import Any

import msgspec
import orjson

from config.access.errors import KeyMissing, KeyUnknown, NotAdmitted, RateUsedUp, ScopeMissing
from config.problem_details import CONTENT_TYPE, problem_for

Document = dict[str, Any]

_KEY = "ApiKey"
_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "ff_<prefix>_<secret>",
    "description": "An API key of this installation (`manage.py create_key`). Reading needs one with the scope `read`, "
    "sending commands one with `write`; `admin` stands for both. None is needed for what FACTFOLD_ANONYMOUS leaves "
    "open to everybody.",
}
_REQUEST_ID = "9f0c6a1be2d34f58a7c1d2e3"


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A status with which the gate refuses, and what is said then."""

    status: int
    text: str
    header: str
    examples: dict[str, NotAdmitted]


_REFUSALS = (
    _Refusal(
        status=401,
        text="No key was sent where one is needed, or it is unknown, expired or revoked.",
        header="WWW-Authenticate",
        examples={"missing": KeyMissing(needs="read"), "unknown": KeyUnknown()},
    ),
    _Refusal(
        status=403,
        text="The key may do other things, not this.",
        header="WWW-Authenticate",
        examples={"read": ScopeMissing(needs="read"), "write": ScopeMissing(needs="write")},
    ),
    _Refusal(
        status=429,
        text="The key's requests are used up; Retry-After says when to go on.",
        header="Retry-After",
        examples={"rate": RateUsedUp(requests_a_minute=60, wait_seconds=1)},
    ),
)


def add_access(result: Document, generator: Any, request: Any, public: bool) -> Document:
    """
    This will add to every operation that it takes a key, and the refusals as they are really given.

    Named in drf-spectacular's POSTPROCESSING_HOOKS, behind that which adds what all problems share.
    """
    components = result["components"]
    components["securitySchemes"] = {_KEY: _SCHEME}
    components["headers"]["WWW-Authenticate"] = {
        "description": "That a key is sent as a bearer token, and what is wrong with the one that was (RFC 6750).",
        "schema": {"type": "string"},
        "example": KeyMissing(needs="read").challenge,
    }
    for refusal in _REFUSALS:
        components["responses"][f"Problem{refusal.status}"] = _response(refusal)
    for declared in (declared for item in result["paths"].values() for declared in item.values()):
        declared["security"] = [{_KEY: []}, {}]
        responses = declared["responses"]
        for refusal in _REFUSALS:
            _add(responses, refusal)
        responses.setdefault("503", {"$ref": "#/components/responses/Problem503"})
        declared["responses"] = dict(sorted(responses.items()))
    return result


def _add(responses: Document, refusal: _Refusal) -> None:
    status = str(refusal.status)
    if (declared := responses.get(status)) is None:
        responses[status] = {"$ref": f"#/components/responses/Problem{status}"}
        return
    # The operation answers so for a reason of its own as well.
    declared["description"] += f". {refusal.text}"
    declared.setdefault("headers", {}).update(_headers(refusal))
    declared["content"][CONTENT_TYPE].setdefault("examples", {}).update(_examples(refusal))


def _response(refusal: _Refusal) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": refusal.text,
        "headers": _headers(refusal),
        "content": {CONTENT_TYPE: {"schema": schema, "examples": _examples(refusal)}},
    }


def _headers(refusal: _Refusal) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", refusal.header)}


def _examples(refusal: _Refusal) -> Document:
    return {
        name: {"value": orjson.loads(problem_for(error, request_id=_REQUEST_ID).body)}
        for name, error in refusal.examples.items()
    }
