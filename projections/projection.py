"""What a projection is: a fold of the log into read tables, of which several versions may stand side by side."""

from collections.abc import Callable, Sequence

import msgspec
import psycopg
from psycopg import sql

from commands.messages import RecordedEvent
from commands.sql import load_statements

_SQL = load_statements("projections", "projection.sql")

Fold = Callable[[psycopg.Connection, Sequence[RecordedEvent]], None]


class NotMigrated(LookupError):
    """The database lacks rows that migrations put there: run `python3 manage.py migrate`."""


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """
    One read model and the way events get into it.

    `fold` writes the effect of events of one shard, each stream's in order, inside the caller's transaction into the
    tables of the search path. It must give the same tables for any division of the log into batches. `tables` and
    `indexes` are the statements that make those tables; `derived` names the tables the fold does not own: they follow
    from the others, or tell what has been done. `rules` is a fingerprint of what decides which rows `fold` writes.
    """

    name: str
    fold: Fold
    tables: bytes
    indexes: bytes
    derived: frozenset[str]
    rules: str


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """
    One version of a projection, in a schema of its own.

    `generation` counts how often some version of the projection has gone live up to when this one last did; 0 before.
    """

    name: str
    version: int
    state: str
    generation: int

    @property
    def schema(self) -> str:
        return f"{self.name}_v{self.version}"

    @property
    def key(self) -> dict[str, str | int]:
        """The parameters by which statements find what belongs to this version."""
        return {"name": self.name, "version": self.version}

    def enter(self, connection: psycopg.Connection) -> None:
        """This will make the names of tables mean those of this version until the transaction ends."""
        connection.execute(sql.SQL("set local search_path to {}").format(sql.Identifier(self.schema)))


def versions(connection: psycopg.Connection, name: str) -> list[Version]:
    """This will list every version of a projection, oldest first."""
    rows = connection.execute(_SQL["versions"], {"name": name})
    return [
        Version(name=name, version=version, state=state, generation=generation) for version, state, generation in rows
    ]


def live_version(connection: psycopg.Connection, name: str) -> Version:
    """
    This will name the version readers see.

    It may have changed by the next transaction: whoever must not mix two versions asks inside its own.
    """
    for version in versions(connection, name):
        if version.state == "live":
            return version
    raise NotMigrated(f"the projection {name} has no live version")
