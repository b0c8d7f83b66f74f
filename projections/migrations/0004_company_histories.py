from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

HISTORIES = (Path(__file__).parent.parent / "company_histories.sql").read_text(encoding="utf-8")


def add_histories(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Every version gets the tables; what they hold of the past comes with the next rebuild."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"set local search_path to figures_v{version:d}")
            cursor.execute(HISTORIES)
        cursor.execute("set local search_path to default")


class Migration(migrations.Migration):
    dependencies = [("projections", "0003_batch_totals")]
    operations = [migrations.RunPython(add_histories, reverse_code=migrations.RunPython.noop)]
