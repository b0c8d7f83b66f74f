"""For migrations: versions of the figures whose tables are of an older kind begin anew."""

from datetime import UTC, datetime

import msgspec
import psycopg
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from psycopg import sql

from commands.sql import load_statements
from projections.catalog import PROJECTIONS
from projections.projection import Version
from projections.untold import Untold, read_untold, tell

_SQL = load_statements("projections", "emptying.sql")

_NOTHING = Untold(late={}, replacements={})


def empty_versions_without(schema_editor: BaseDatabaseSchemaEditor, name: str) -> None:
    """
    This will empty each version that lacks a table, a function or a `table.column`; the workers fold the live one anew
    from the log.

    Those who have read the live one are told that figures were replaced, behind the position they were told last.
    """
    connection: psycopg.Connection = schema_editor.connection.connection
    for number, state in connection.execute(_SQL["versions"]).fetchall():
        version = Version(name="figures", version=number, state=state, generation=0)
        if connection.execute(_SQL["has"], {"schema": version.schema, "name": name}).fetchone() == (False,):
            _empty(connection, version)


def _empty(connection: psycopg.Connection, version: Version) -> None:
    figures = PROJECTIONS[version.name]
    version.enter(connection)
    connection.execute(_SQL["hold_freshness"])
    untold = _untold(connection, version)
    schema = sql.Identifier(version.schema)
    connection.execute(sql.SQL("drop schema {} cascade").format(schema))
    connection.execute(sql.SQL("create schema {}").format(schema))
    connection.execute(figures.tables)
    connection.execute(figures.indexes)
    tell(connection, untold)
    connection.execute("set local search_path to default")
    for statement in ("forget_parked", "begin_checkpoints"):
        connection.execute(_SQL[statement], version.key)


def _untold(connection: psycopg.Connection, version: Version) -> Untold:
    """
    What the live version has still to tell, and that its figures are replaced; others are told by the switch to them.

    # Note [positions begin at 0]
    The emptied tables say that they hold nothing, and every reader of `freshness` goes by that: whoever asks for a
    position, refreshes, or looks for lag. So the position readers had been told stays only as the place behind which
    they are told of the replacement. Nobody holds a figure of position 0.
    """
    if version.state != "live":
        return _NOTHING
    connection.execute(_SQL["make_missing"])
    untold = read_untold(connection, version.key)
    (position,) = connection.execute(_SQL["told_position"]).fetchone() or (0,)
    if not position:
        return untold
    return msgspec.structs.replace(untold, replacements={**untold.replacements, position + 1: datetime.now(UTC)})
