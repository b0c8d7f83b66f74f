"""Every error has one form, RFC 9457, and one table gives its status."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from django.http import Http404
from rest_framework import exceptions
from rest_framework.test import APIRequestFactory

from config.problem_details import exception_handler, problem_for


class Field(msgspec.Struct):
    pointer: str
    reason: str
    fix: str


class Refused(Exception):
    def __init__(self, code: str, errors: Sequence[Field] = (), candidates: Sequence[Any] = ()) -> None:
        self.code = code
        self.message = "It is so."
        self.fix = "Do that."
        self.errors = errors
        self.candidates = candidates


def body_of(error: Exception) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(problem_for(error, request_id="r1").body)
    return body


class TestProblemFor:
    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("unknown_company", 404),
            ("ambiguous_company", 409),
            ("idempotency_key_reused", 422),
            ("position_not_reached", 503),
            ("nobody_listed_this", 400),
        ],
    )
    def test_gives_a_code_its_status(self, code: str, status: int) -> None:
        problem = problem_for(Refused(code), request_id="r1")

        assert problem.status == status
        assert json.loads(problem.body)["status"] == status

    def test_says_what_is_so_what_to_do_and_where(self) -> None:
        error = Refused("ambiguous_company", [Field("/cik", "is wrong", "mend it")], [{"cik": 1}])

        assert body_of(error) == {
            "type": "urn:factfold:problem:ambiguous_company",
            "title": "The request contradicts what is so",
            "status": 409,
            "detail": "It is so.",
            "code": "ambiguous_company",
            "request_id": "r1",
            "errors": [{"pointer": "/cik", "reason": "is wrong", "fix": "mend it"}],
            "fix": "Do that.",
            "candidates": [{"cik": 1}],
        }

    def test_can_be_written_whatever_text_it_repeats(self) -> None:
        error = Refused("invalid_command", [Field("/form", "is \ud800", "mend it")], [{"name": "\udfff"}])

        body = body_of(error)

        assert (body["errors"][0]["reason"], body["candidates"]) == ("is ?", [{"name": "?"}])

    def test_tells_nothing_of_the_inside_of_an_unexpected_error(self, caplog: pytest.LogCaptureFixture) -> None:
        body = body_of(ValueError("password=hunter2"))

        assert body["code"] == "internal_error"
        assert "hunter2" not in json.dumps(body)
        assert "request r1 failed" in caplog.text

    def test_says_when_to_come_back(self) -> None:
        problem = problem_for(Refused("position_not_reached"), request_id="r1")

        assert ("retry-after", "1") in problem.headers

    def test_points_at_each_field_a_serializer_refused(self) -> None:
        error = exceptions.ValidationError({"filings": [{"form": ["is unknown"]}, {}], "cik": ["is missing"]})

        assert body_of(error)["errors"] == [
            {"pointer": "/filings/0/form", "reason": "is unknown", "fix": ""},
            {"pointer": "/cik", "reason": "is missing", "fix": ""},
        ]

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (Http404("nothing"), 404, "not_found"),
            (exceptions.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
            (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
            (exceptions.ParseError(), 400, "invalid_request"),
        ],
    )
    def test_speaks_for_the_frameworks_errors_too(self, error: Exception, status: int, code: str) -> None:
        body = body_of(error)

        assert (body["status"], body["code"]) == (status, code)


class TestExceptionHandler:
    def test_answers_a_view_with_the_request_id_the_client_sent(self) -> None:
        request = APIRequestFactory().post("/v1/commands", headers={"X-Request-ID": "mine"})

        response = exception_handler(Refused("unknown_company"), {"request": request})

        assert response.status_code == 404
        assert response.data["request_id"] == "mine"
        assert response.headers["content-type"] == "application/problem+json"
