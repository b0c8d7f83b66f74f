"""Doing a thing once, however often it is asked for."""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
import psycopg

from commands.errors import IdempotencyKeyReused
from commands.sql import load_statements

_SQL = load_statements("commands", "idempotency.sql")


class StoredResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What was answered to the first request with a key: JSON text, and when."""

    response: str
    recorded_at: datetime


def once(connection: psycopg.Connection, *, key: str, request_hash: bytes, status: int, work: Callable[[], str]) -> str:
    """
    This will do `work` in a transaction with its key, or return the JSON it answered when it was done before.

    Key, effects and answer are committed together, so there is no half-done state to wait out. Work that raises
    leaves nothing behind, and the key free.

    Raises:
        IdempotencyKeyReused: the key belongs to another request.
    """
    with connection.transaction():
        claimed = connection.execute(_SQL["claim_key"], {"key": key, "request_hash": request_hash}).fetchone()
        if claimed is None:
            row = connection.execute(_SQL["read_key"], {"key": key}).fetchone()
            if row is None or bytes(row[0]) != request_hash:
                raise IdempotencyKeyReused(key=key)
            return str(row[2])
        response = work()
        connection.execute(_SQL["store_response"], {"key": key, "status": status, "response": response})
        return response


def store_answers(connection: psycopg.Connection, *, status: int, answers: Mapping[str, tuple[bytes, str]]) -> None:
    """
    This will store request hash and JSON answer under keys nobody has used.

    Raises:
        psycopg.errors.UniqueViolation: somebody has used one in the meantime.
    """
    if answers:
        connection.execute(
            _SQL["store_answers"],
            {
                "status": status,
                "keys": list(answers),
                "request_hashes": [request_hash for request_hash, _ in answers.values()],
                "responses": [response for _, response in answers.values()],
            },
        )


def stored_response(connection: psycopg.Connection, *, key: str) -> StoredResponse | None:
    """This will return what was answered to the request with this key, if there was one."""
    row = connection.execute(_SQL["read_key"], {"key": key}).fetchone()
    return None if row is None else StoredResponse(response=row[2], recorded_at=row[3])
