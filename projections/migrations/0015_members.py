from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from commands.sql import load_statements

CLASSES = load_statements("projections.figures", "tables.sql")["classes"]


def add_classes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """
    Every version gets the functions; what they read is there.

    Redis holds rows without a column that aggregates have now: it is loaded anew for figures of another time.
    """
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"set local search_path to figures_v{version:d}")
            cursor.execute(CLASSES)
            cursor.execute("update freshness set fresh_at = fresh_at + interval '1 millisecond'")
        cursor.execute("set local search_path to default")


class Migration(migrations.Migration):
    dependencies = [("projections", "0014_splits_known_to")]
    operations = [migrations.RunPython(add_classes, reverse_code=migrations.RunPython.noop)]
