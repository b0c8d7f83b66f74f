from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

BY_END = """
drop index if exists metric_value_restated;
create index if not exists metric_value_ended on metric_value (cik, known_to) where known_to is not null
"""


def index_by_end(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What a filing restated is found by the instant at which values ended, no longer by the filing they name."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("select version from projections.projection where name = 'figures'")
        for (version,) in cursor.fetchall():
            cursor.execute(f"set local search_path to figures_v{version:d}")
            cursor.execute(BY_END)
        cursor.execute("set local search_path to default")


class Migration(migrations.Migration):
    dependencies = [("projections", "0015_members")]
    operations = [migrations.RunPython(index_by_end, reverse_code=migrations.RunPython.noop)]
