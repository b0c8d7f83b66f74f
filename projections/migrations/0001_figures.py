from pathlib import Path

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

FOLDER = Path(__file__).parent.parent


def start_figures(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("insert into projections.projection (name, version, state) values ('figures', 1, 'live')")
        cursor.execute(
            "insert into projections.checkpoint (name, version, shard) select 'figures', 1, generate_series(0, %s - 1)",
            [settings.FACTFOLD.shards],
        )


class Migration(migrations.Migration):
    initial = True
    dependencies = [("commands", "0001_event_log")]
    operations = [
        migrations.RunSQL(
            (FOLDER / "schema.sql").read_text(encoding="utf-8"), reverse_sql="drop schema projections cascade"
        ),
        migrations.RunSQL(
            (FOLDER / "figures_v1.sql").read_text(encoding="utf-8") + "\nset local search_path to default;",
            reverse_sql="drop schema figures_v1 cascade",
        ),
        migrations.RunPython(start_figures, reverse_code=migrations.RunPython.noop),
    ]
