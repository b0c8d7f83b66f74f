from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def count_links(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The planner took the empty table of links for a full one: each refresh asked for much memory to follow them."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"analyze figures_v{version:d}.company_link")


class Migration(migrations.Migration):
    dependencies = [("projections", "0016_ended_values")]
    operations = [migrations.RunPython(count_links, reverse_code=migrations.RunPython.noop)]
