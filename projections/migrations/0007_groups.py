from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from projections.catalog import PROJECTIONS


def begin_anew(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """
    Versions whose groups are of the older kind are emptied; the live one is folded anew from the log by the workers.

    Nothing but the log knows the numerators and denominators that values of ratios now carry.
    """
    figures = PROJECTIONS["figures"]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            schema = f"figures_v{version:d}"
            cursor.execute("select to_regclass(%s) is not null", [f"{schema}.dirty_cell"])
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


class Migration(migrations.Migration):
    dependencies = [("projections", "0006_size_classes")]
    operations = [migrations.RunPython(begin_anew, reverse_code=migrations.RunPython.noop)]
