"""Two versions of a projection, row by row and byte by byte."""

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from commands.sql import load_statements
from projections.projection import Projection, Version

_SQL = load_statements("projections", "comparison.sql")


class TableDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a table only one of two versions holds, and the first of them."""

    table: str
    only_live: int
    only_rebuilt: int
    live_row: str | None
    rebuilt_row: str | None

    def __str__(self) -> str:
        return (
            f"{self.table}: {self.only_live:,} rows only in the live version, first {self.live_row}; "
            f"{self.only_rebuilt:,} only in the rebuilt one, first {self.rebuilt_row}"
        )


def compare_versions(
    connection: psycopg.Connection, projection: Projection, *, live: Version, rebuilt: Version
) -> Iterator[TableDifference]:
    """
    This will tell each table of the projection that two versions do not hold alike.

    Compared are the columns that both have, as text; tables the fold does not own are left out. Both versions have to
    stand at the same checkpoints in the connection's snapshot.
    """
    live_columns, own_columns = columns_of(connection, live), columns_of(connection, rebuilt)
    for table in sorted((live_columns.keys() | own_columns.keys()) - projection.derived):
        had, has = live_columns.get(table, []), own_columns.get(table, [])
        if sorted(had) != sorted(has):
            yield TableDifference(
                table=table,
                only_live=0,
                only_rebuilt=0,
                live_row=f"with the columns {', '.join(had) or 'none'}",
                rebuilt_row=f"with the columns {', '.join(has) or 'none'}",
            )
        common = sql.SQL(", ").join(sql.Identifier(column) for column in had if column in has)
        ours, theirs = (_lines(version, table, common) for version in (live, rebuilt))
        if had and has and _checksum(connection, ours) != _checksum(connection, theirs):
            yield _difference(connection, table, ours, theirs)


def columns_of(connection: psycopg.Connection, version: Version) -> dict[str, list[str]]:
    """The columns of each table of a version."""
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(_SQL["columns"], {"schema": version.schema}):
        columns.setdefault(table, []).append(column)
    return columns


def _lines(version: Version, table: str, columns: sql.Composable) -> sql.Composed:
    return sql.SQL("select row({})::text as line from {}").format(columns, sql.Identifier(version.schema, table))


def _checksum(connection: psycopg.Connection, lines: sql.Composed) -> tuple[Any, ...] | None:
    """How many rows, and the sum of their 64-bit hashes: one pass over each table where both are alike."""
    query = sql.SQL("select count(*), sum(hashtextextended(line, 0)) from ({}) as lines")
    return connection.execute(query.format(lines)).fetchone()


def _difference(
    connection: psycopg.Connection, table: str, live: sql.Composed, rebuilt: sql.Composed
) -> TableDifference:
    only = sql.SQL("select count(*), min(line) from ({} except all {}) as lines")
    only_live, live_row = connection.execute(only.format(live, rebuilt)).fetchone() or (0, None)
    only_rebuilt, rebuilt_row = connection.execute(only.format(rebuilt, live)).fetchone() or (0, None)
    return TableDifference(
        table=table, only_live=only_live, only_rebuilt=only_rebuilt, live_row=live_row, rebuilt_row=rebuilt_row
    )
