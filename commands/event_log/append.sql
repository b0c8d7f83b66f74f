-- name: open_streams
-- Creates the streams that do not exist yet, in the order in which every writer takes its locks. How many shards there
-- are was settled when the tables were made.
insert into events.stream (stream, version, shard)
select stream, 0, mod(crc32(convert_to(stream, 'UTF8')), (select count(*) from events.shard_head))
from unnest(%(streams)b::text[]) as wanted (stream)
order by stream
on conflict do nothing

-- name: lock_streams
select stream, version
from events.stream
where stream = any (%(streams)b::text[])
order by stream
for update

-- name: insert_events
-- The sort stands below the identity default, so ids are drawn in the order of `ordinal`. Index: stream (stream), which
-- the planner takes for `= any`, but not for the join alone while it knows no statistics of a new database.
with incoming as (
    select *
    from unnest(%(streams)b::text[], %(versions)b::integer[], %(types)b::text[], %(schema_versions)b::smallint[],
                %(data)b::text[], %(sizes)b::integer[], %(metas)b::text[])
        with ordinality as event (stream, version, type, schema_version, data, size, meta, ordinal)
),
inserted as (
    insert into events.event (stream, version, type, schema_version, data, size, meta)
    select stream, version, type, schema_version, data::json, size, meta::json
    from incoming
    order by ordinal
    returning id, stream
),
moved as (
    update events.stream
    set version = head.version
    from (select stream, max(version) as version from incoming group by stream) as head
    where stream.stream = head.stream and stream.stream = any (%(streams)b::text[])
    returning stream.stream, stream.shard
),
queued as (
    insert into events.pending (id, shard)
    select inserted.id, moved.shard
    from inserted
    join moved using (stream)
)
select id from inserted order by id

-- name: append_at_version
-- The update takes the stream's lock and waits for it; only then is the id drawn, and none where the version is another.
with moved as (
    update events.stream
    set version = version + 1
    where stream = %(stream)s and version = %(expected)s
    returning stream, version, shard
),
inserted as (
    insert into events.event (stream, version, type, schema_version, data, size, meta)
    select stream, version, %(type)s, %(schema_version)s, %(data)s::json, %(size)s, %(meta)s::json
    from moved
    returning id
),
queued as (
    insert into events.pending (id, shard)
    select inserted.id, moved.shard
    from inserted
    cross join moved
)
select id from inserted

-- name: stream_version
select version from events.stream where stream = %(stream)s
