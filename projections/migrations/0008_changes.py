from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

CHANGES = (Path(__file__).parent.parent / "change_tables.sql").read_text(encoding="utf-8")


def add_changes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Every version keeps its changes from here on; a rebuild finds those of the past."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"set local search_path to figures_v{version:d}")
            cursor.execute("select to_regclass('change')")
            if cursor.fetchone() == (None,):
                cursor.execute(CHANGES)
        cursor.execute("set local search_path to default")


class Migration(migrations.Migration):
    dependencies = [("projections", "0007_groups")]
    operations = [migrations.RunPython(add_changes, reverse_code=migrations.RunPython.noop)]
