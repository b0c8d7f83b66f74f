"""A sender of commands over HTTP, who takes nothing for granted that was not answered."""

import http.client
import json
from typing import Any

import msgspec

from commands.dispatch import Accepted
from commands.messages import Command

_PATIENCE_SECONDS = 10
_REFUSALS = frozenset({404, 409, 422, 429})


class NoAnswer(Exception):
    """Nothing was heard, or that the database does not answer: whether the command took effect is not known."""


class WrongAnswer(Exception):
    """An answer nobody should get, whatever is killed; the message tells it."""


class Refused(Exception):
    """The command had no effect; the message is the problem's code."""


class Client:
    """One connection to the api, made anew after it was lost."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = http.client.HTTPConnection(*address, timeout=_PATIENCE_SECONDS)

    def send(self, command: Command, *, key: str) -> Accepted:
        """
        This will send a command under an idempotency key and return what it came to.

        Raises: Refused, NoAnswer, WrongAnswer.
        """
        status, answer = self._ask(
            "POST", f"/v1/commands/{type(command).__name__}", body=body_of(command), headers={"Idempotency-Key": key}
        )
        if status == 202:
            return accepted_of(answer)
        if status in _REFUSALS and answer["code"] != "idempotency_key_reused":
            raise Refused(answer["code"])
        raise WrongAnswer(f"{key} was answered {status} {json.dumps(answer)}")

    def came_to(self, key: str) -> tuple[Accepted, int | None] | None:
        """
        This will ask what the command with a key came to, and at which position; None where there was none.

        Raises: NoAnswer, WrongAnswer.
        """
        status, answer = self._ask("GET", f"/v1/commands/{key}")
        if status == 200:
            return accepted_of(answer["response"]), answer["position"]
        if status == 404:
            return None
        raise WrongAnswer(f"of {key} was said {status} {json.dumps(answer)}")

    def _ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        try:
            self._connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise NoAnswer(str(error)) from error
        if response.status == 503:
            raise NoAnswer(answer.decode())
        return response.status, json.loads(answer)


def body_of(command: Command) -> bytes:
    """This will write a command as its sender does: facts and filings as lists of objects."""
    body = msgspec.to_builtins(command)
    body.pop("source", None)
    if "facts" in body:
        body["facts"] = [
            {"concept": concept, "unit": unit, "start": start, "end": end, "value": value}
            for concept, unit, values in body["facts"]
            for start, end, value in values
        ]
    if "filings" in body:
        body["filings"] = [{"accession": accession, "accepted_at": at} for accession, at in body["filings"]]
    return json.dumps(body).encode()


def accepted_of(answer: dict[str, Any]) -> Accepted:
    """This will read what a command came to, as it was told."""
    return Accepted(
        event_ids=tuple(answer["event_ids"]),
        stream=answer["stream"],
        version=answer["version"],
        position_token=answer["token"],
    )
