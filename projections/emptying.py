"""For migrations: versions of the figures whose tables are of an older kind begin anew."""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from projections.catalog import PROJECTIONS


def empty_versions_without(schema_editor: BaseDatabaseSchemaEditor, name: str) -> None:
    """This will empty each version that lacks a table or function; the workers fold the live one anew from the log."""
    figures = PROJECTIONS["figures"]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            schema = f"figures_v{version:d}"
            place = f"{schema}.{name}"
            cursor.execute("select to_regclass(%s) is not null or to_regproc(%s) is not null", [place, place])
            if cursor.fetchone()[0]:
                continue
            cursor.execute(f"drop schema {schema} cascade; create schema {schema}; set local search_path to {schema}")
            cursor.execute(figures.tables)
            cursor.execute(figures.indexes)
            cursor.execute("set local search_path to default")
            key = [version]
            cursor.execute("delete from projections.parked where name = 'figures' and version = %s", key)
            cursor.execute(
                "update projections.checkpoint set shard_seq = 0, position = 0 where name = 'figures' and version = %s",
                key,
            )
