from django.db import migrations

REFUSE_STREAMS_NOBODY_FOLDS = """
do $$
begin
    if exists (select from events.stream where shard not in (select shard from events.publication)) then
        raise exception 'Some companies stand in shards that nobody folds: they were registered by a process with'
            ' another FACTFOLD_SHARDS than this database was made with.'
            using hint = 'Open those shards as docs/operations.md says, then migrate again.';
    end if;
end $$
"""

# A database made today has it from the start: 0001 reads schema.sql as it is now.
REFER_TO_SHARDS = """
alter table events.stream drop constraint if exists stream_shard_fkey;
alter table events.stream add constraint stream_shard_fkey foreign key (shard) references events.shard_head
"""


class Migration(migrations.Migration):
    dependencies = [("commands", "0003_size_class")]
    operations = [
        migrations.RunSQL(REFUSE_STREAMS_NOBODY_FOLDS, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(
            REFER_TO_SHARDS, reverse_sql="alter table events.stream drop constraint if exists stream_shard_fkey"
        ),
    ]
