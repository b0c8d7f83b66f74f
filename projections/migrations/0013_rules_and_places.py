from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

UNPLACED = "insert into dirty_cell (cik) select cik from company where cik not in (select cik from group_member)"


def place_companies(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The next refresh gives their groups to companies whose first filing said nothing of a figure."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"set local search_path to figures_v{version:d}")
            cursor.execute(UNPLACED)
        cursor.execute("set local search_path to default")


class Migration(migrations.Migration):
    dependencies = [("projections", "0012_company_successor")]
    operations = [
        migrations.RunSQL(
            "alter table projections.projection add rules text",
            reverse_sql="alter table projections.projection drop column rules",
        ),
        migrations.RunPython(place_companies, reverse_code=migrations.RunPython.noop),
    ]
