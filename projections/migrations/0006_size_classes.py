from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SIZE_CLASSES = (Path(__file__).parent.parent / "size_classes.sql").read_text(encoding="utf-8")


def add_size_classes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Every version gets the columns; no event before them says anything of a size class."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"set local search_path to figures_v{version:d}")
            cursor.execute(SIZE_CLASSES)
        cursor.execute("set local search_path to default")


class Migration(migrations.Migration):
    dependencies = [("projections", "0005_filing_count")]
    operations = [migrations.RunPython(add_size_classes, reverse_code=migrations.RunPython.noop)]
