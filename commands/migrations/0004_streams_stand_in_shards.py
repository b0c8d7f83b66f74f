from django.core.management.base import CommandError
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NOBODY_FOLDS = """
select exists (select from events.stream where shard not in (select shard from events.publication))
"""


def refuse_streams_nobody_folds(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(NOBODY_FOLDS)
        if cursor.fetchone()[0]:
            raise CommandError(
                "Some companies stand in shards that nobody folds: they were registered by a process with another "
                "FACTFOLD_SHARDS than this database was made with. Open those shards as docs/operations.md says, then "
                "migrate again."
            )


# A database made today has it from the start: 0001 reads schema.sql as it is now.
REFER_TO_SHARDS = """
alter table events.stream drop constraint if exists stream_shard_fkey;
alter table events.stream add constraint stream_shard_fkey foreign key (shard) references events.shard_head
"""


class Migration(migrations.Migration):
    dependencies = [("commands", "0003_size_class")]
    operations = [
        migrations.RunPython(refuse_streams_nobody_folds, reverse_code=migrations.RunPython.noop),
        migrations.RunSQL(
            REFER_TO_SHARDS, reverse_sql="alter table events.stream drop constraint if exists stream_shard_fkey"
        ),
    ]
