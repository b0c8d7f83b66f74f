"""The one table from errors to HTTP: RFC 9457 problem details for every answer that is not a success."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable
from uuid import uuid4

import orjson
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

STATUS_BY_CODE: Mapping[str, int] = {
    "invalid_request": 400,
    "invalid_body": 400,
    "invalid_parameter": 400,
    "unknown_parameter": 400,
    "missing_parameter": 400,
    "invalid_cursor": 400,
    "answer_too_large": 400,
    "invalid_idempotency_key": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown_command": 404,
    "unknown_command_id": 404,
    "unknown_company": 404,
    "unknown_filing": 404,
    "unknown_group": 404,
    "unknown_metric": 404,
    "unknown_value": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "ambiguous_company": 409,
    "ambiguous_period": 409,
    "company_already_registered": 409,
    "filing_already_withdrawn": 409,
    "idempotency_in_progress": 409,
    "version_conflict": 409,
    "changes_expired": 410,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "invalid_command": 422,
    "idempotency_key_reused": 422,
    "backlog_too_long": 429,
    "rate_limited": 429,
    "internal_error": 500,
    "busy": 503,
    "not_ready": 503,
    "position_not_reached": 503,
    "unavailable": 503,
}
"""A code a wing raises and this table lacks is answered as 400, and a test fails."""

_TITLES = {
    400: "The request is not valid",
    401: "Who is asking is not known",
    403: "This is not allowed",
    404: "There is no such thing here",
    405: "This method is not answered here",
    406: "This form of answer is not offered",
    409: "The request contradicts what is so",
    410: "This is no longer kept",
    413: "The body is too large",
    415: "This form of body is not read",
    422: "The request cannot be carried out",
    429: "Too many requests",
    500: "Something broke here",
    503: "Not ready to answer",
}

_CODE_BY_STATUS = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "unavailable",
}


@runtime_checkable
class CodedError(Protocol):
    """What both wings' errors have in common: a stable code, what is so, what to do, and which fields it is about."""

    code: str
    message: str
    fix: str
    errors: Sequence[Any]


class Problem(NamedTuple):
    """An answer that is not a success, ready to send."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def problem_for(error: Exception, *, request_id: str) -> Problem:
    """
    This will turn any exception into the answer its reader gets.

    An exception that is none of ours tells nothing of the inside: it is logged with its `request_id`.
    """
    status, code, detail, extras = _told_by(error)
    if status >= 500 and not isinstance(error, CodedError):
        logger.error("request %s failed", request_id, exc_info=error)
    members = {
        "type": f"urn:factfold:problem:{code}",
        "title": _TITLES.get(status, "The request failed"),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        "errors": [],
        "fix": "",
        **extras,
    }
    headers = [("content-type", CONTENT_TYPE), ("cache-control", "no-store")]
    retry_after = getattr(error, "retry_after_seconds", None) or getattr(error, "wait", None)
    if status in (429, 503):
        headers.append(("retry-after", str(int(retry_after or 1))))
    if (challenge := getattr(error, "challenge", None)) is not None:
        headers.append(("www-authenticate", challenge))
    return Problem(status, tuple(headers), orjson.dumps(_legible(members)))


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """This will answer for an exception raised in a Django REST framework view."""
    request = context.get("request")
    problem = problem_for(error, request_id=request_id_of(request) if request is not None else uuid4().hex)
    response = Response(orjson.loads(problem.body), status=problem.status, content_type=CONTENT_TYPE)
    for name, value in problem.headers:
        response.headers[name] = value
    return response


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """This will answer for an address nothing stands at."""
    return _django_answer(Http404(f"Nothing stands at {request.path}."), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """This will answer where a view broke; Django has logged the exception."""
    return _django_answer(exceptions.APIException(), request)


def request_id_of(request: Any) -> str:
    """This will give the id the client sent as `X-Request-ID`, or a new one."""
    sent: str = request.headers.get("x-request-id", "")
    return sent if 0 < len(sent) <= 64 and sent.isascii() and sent.isprintable() else uuid4().hex


def _django_answer(error: Exception, request: HttpRequest) -> HttpResponse:
    problem = problem_for(error, request_id=request_id_of(request))
    return HttpResponse(problem.body, status=problem.status, headers=dict(problem.headers))


def _told_by(error: Exception) -> tuple[int, str, str, dict[str, Any]]:
    if isinstance(error, CodedError):
        extras: dict[str, Any] = {"errors": list(error.errors), "fix": error.fix}
        if candidates := getattr(error, "candidates", None):
            extras["candidates"] = list(candidates)
        if (position := getattr(error, "position", None)) is not None:
            extras["position"] = position
        if (backlog := getattr(error, "backlog", None)) is not None:
            extras["backlog"] = backlog
        if reasons := getattr(error, "reasons", None):
            extras |= {"reasons": list(reasons), "redis": getattr(error, "redis", None)}
        return STATUS_BY_CODE.get(error.code, 400), error.code, error.message, extras
    if isinstance(error, Http404):
        error = exceptions.NotFound(str(error) or None)
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.ValidationError):
        return 400, "invalid_request", "Some fields are not valid.", {"errors": list(_field_errors(error.detail))}
    if isinstance(error, exceptions.APIException):
        return error.status_code, _CODE_BY_STATUS.get(error.status_code, "internal_error"), str(error.detail), {}
    return 500, "internal_error", "The server could not answer. The request id finds it in the log.", {}


def _field_errors(detail: Any, pointer: str = "") -> list[dict[str, str]]:
    if isinstance(detail, Mapping):
        return [found for key, part in detail.items() for found in _field_errors(part, f"{pointer}/{key}")]
    if isinstance(detail, list) and any(isinstance(part, Mapping) for part in detail):
        return [found for index, part in enumerate(detail) for found in _field_errors(part, f"{pointer}/{index}")]
    reasons = detail if isinstance(detail, list) else [detail]
    return [{"pointer": pointer, "reason": str(reason), "fix": ""} for reason in reasons]


def _legible(value: Any) -> Any:
    """
    What a problem says, in what JSON can hold.

    Field errors and candidates are structs of the wings' own. Text that was sent may hold half a surrogate pair, which
    no UTF-8 can say.
    """
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {name: _legible(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_legible(part) for part in value]
    names = getattr(value, "__struct_fields__", None) or getattr(value, "__dataclass_fields__", ())
    return {name: _legible(getattr(value, name)) for name in names} if names else value
