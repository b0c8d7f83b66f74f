from pathlib import Path

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from projections.catalog import PROJECTIONS

FOLDER = Path(__file__).parent.parent


def start_figures(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    figures = PROJECTIONS["figures"]
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("create schema figures_v1; set local search_path to figures_v1")
        cursor.execute(figures.tables)
        cursor.execute(figures.indexes)
        cursor.execute("set local search_path to default")
        cursor.execute("insert into projections.projection (name, version, state) values ('figures', 1, 'live')")
        cursor.execute(
            "insert into projections.checkpoint (name, version, shard) "
            "select 'figures', 1, shard from events.shard_head"
        )


def drop_figures(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("drop schema figures_v1 cascade")


class Migration(migrations.Migration):
    initial = True
    dependencies = [("commands", "0001_event_log")]
    operations = [
        migrations.RunSQL(
            (FOLDER / "schema.sql").read_text(encoding="utf-8"), reverse_sql="drop schema projections cascade"
        ),
        migrations.RunPython(start_figures, reverse_code=drop_figures),
    ]
