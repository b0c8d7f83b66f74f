"""The keys of an installation, as its operator makes, lists and revokes them."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import psycopg
from psycopg.rows import class_row

from commands.sql import load_statements
from config.access.keys import KeyScope, NewKey

_SQL = load_statements("config.access", "key_store.sql")


class ListedKey(msgspec.Struct, frozen=True, kw_only=True):
    """What may be told of a key: everything but what proves it."""

    prefix: str
    name: str
    scopes: Sequence[KeyScope]
    requests_a_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NoSuchKey(Exception):
    """No key has this prefix; `manage.py keys` lists those there are."""


def add_key(
    connection: psycopg.Connection,
    key: NewKey,
    *,
    name: str,
    scopes: Sequence[KeyScope],
    requests_a_minute: int | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """This will keep what is needed to recognise a key, and not its text."""
    connection.execute(
        _SQL["add"],
        {
            "prefix": key.prefix,
            "secret_sha256": key.secret_sha256,
            "name": name,
            "scopes": list(scopes),
            "requests_a_minute": requests_a_minute,
            "expires_at": expires_at,
            "now": now,
        },
    )


def list_keys(connection: psycopg.Connection) -> list[ListedKey]:
    """This will tell of every key, the oldest first, also of those that count no more."""
    return connection.cursor(row_factory=class_row(ListedKey)).execute(_SQL["listed"]).fetchall()


def revoke_key(connection: psycopg.Connection, *, prefix: str, now: datetime) -> ListedKey:
    """
    This will have a key count no more, for ever, and tell of it.

    Raises:
        NoSuchKey: none has this prefix.
    """
    parameters = {"prefix": prefix, "now": now}
    revoked = connection.cursor(row_factory=class_row(ListedKey)).execute(_SQL["revoke"], parameters).fetchone()
    if revoked is None:
        raise NoSuchKey(prefix)
    return revoked
