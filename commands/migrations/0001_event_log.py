from pathlib import Path

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SCHEMA = (Path(__file__).parent.parent / "event_log" / "schema.sql").read_text(encoding="utf-8")


def open_shards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        shards = [settings.FACTFOLD.shards]
        cursor.execute("insert into events.shard_head (shard) select generate_series(0, %s - 1)", shards)
        cursor.execute("insert into events.publication (shard) select generate_series(0, %s - 1)", shards)


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.RunSQL(SCHEMA, reverse_sql="drop schema events cascade"),
        migrations.RunPython(open_shards, reverse_code=migrations.RunPython.noop),
    ]
