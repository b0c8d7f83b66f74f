"""For migrations: versions of the figures whose tables are of an older kind begin anew."""

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from projections.catalog import PROJECTIONS

_HAS = """
select %(name)s in (
    select relname::text from pg_class where relnamespace = %(schema)s::regnamespace
    union all
    select proname::text from pg_proc where pronamespace = %(schema)s::regnamespace
    union all
    select relname || '.' || attname from pg_class join pg_attribute on attrelid = pg_class.oid
    where relnamespace = %(schema)s::regnamespace and not attisdropped
)
"""


def empty_versions_without(schema_editor: BaseDatabaseSchemaEditor, name: str) -> None:
    """
    This will empty each version that lacks a table, a function or a `table.column`; the workers fold the live one anew
    from the log.
    """
    figures = PROJECTIONS["figures"]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            schema = f"figures_v{version:d}"
            cursor.execute(_HAS, {"schema": schema, "name": name})
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
