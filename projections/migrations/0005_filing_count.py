from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

COUNT = (Path(__file__).parent.parent / "filing_count.sql").read_text(encoding="utf-8")


def count_filings(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Every version counts its filings from now on; nobody may write one meanwhile."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"set local search_path to figures_v{version:d}")
            cursor.execute(COUNT)
        cursor.execute("set local search_path to default")


class Migration(migrations.Migration):
    dependencies = [("projections", "0004_company_histories")]
    operations = [migrations.RunPython(count_filings, reverse_code=migrations.RunPython.noop)]
