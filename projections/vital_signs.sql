-- name: vital_signs
-- Everything an operator has to know about log and projections, in one round trip and as one JSON text.
-- Index: log (shard, shard_seq), for the event each shard waits for; log (position), for the newest.
select json_build_object(
    'head', coalesce(newest.position, 0),
    'sequenced_seconds', extract(epoch from clock_timestamp() - newest.sequenced_at)::float8,
    'pending', (select count(*) from events.pending),
    'pending_seconds', (
        select greatest(extract(epoch from clock_timestamp() - event.recorded_at), 0)::float8
        from events.event join events.pending on pending.id = event.id
        order by pending.id limit 1
    ),
    'shards', (
        select coalesce(json_agg(json_build_object(
            'projection', checkpoint.name,
            'version', checkpoint.version,
            'state', projection.state,
            'shard', checkpoint.shard,
            'shard_seq', checkpoint.shard_seq,
            'position', checkpoint.position,
            'lag_events', greatest(coalesce(shard_head.shard_seq, 0) - checkpoint.shard_seq, 0),
            'lag_seconds', coalesce(extract(epoch from clock_timestamp() - waiting.sequenced_at)::float8, 0),
            'still_seconds', extract(epoch from clock_timestamp() - checkpoint.updated_at)::float8,
            'batches', checkpoint.batches,
            'busy_seconds', checkpoint.busy_seconds,
            'last_batch_events', checkpoint.last_batch_events,
            'last_batch_seconds', checkpoint.last_batch_seconds
        ) order by checkpoint.name, checkpoint.version, checkpoint.shard), '[]')
        from projections.checkpoint
        join projections.projection using (name, version)
        left join events.shard_head on shard_head.shard = checkpoint.shard
        left join events.log as waiting
            on waiting.shard = checkpoint.shard and waiting.shard_seq = checkpoint.shard_seq + 1
        where projection.state <> 'retired'
    ),
    'parked', (
        select coalesce(json_agg(json_build_object(
            'projection', name, 'version', version, 'streams', streams, 'events', events
        ) order by name, version), '[]')
        from (
            select name, version, count(distinct stream) as streams, count(*) as events
            from projections.parked group by name, version
        ) as parked
    ),
    'doorbells', (
        select coalesce(json_agg(json_build_object(
            'shard', publication.shard,
            'unrung_events', greatest(coalesce(shard_head.shard_seq, 0) - publication.shard_seq, 0),
            'rung_seconds', extract(epoch from clock_timestamp() - publication.rung_at)::float8
        ) order by publication.shard), '[]')
        from events.publication
        left join events.shard_head using (shard)
    ),
    'migrations', (
        select coalesce(json_agg(app || '.' || name), '[]')
        from django_migrations where app in ('access', 'commands', 'projections')
    )
)::text
from (select) as always
left join lateral (
    select position, sequenced_at from events.log order by position desc limit 1
) as newest on true

-- name: open_live
-- The figures' own tables are those of the live version.
select set_config('search_path', 'figures_v' || version, true)
from projections.projection where name = 'figures' and state = 'live'

-- name: freshness
-- What readers see beside what is folded, and who is at bringing it to them: holders of the locks of projections/aggregates.py
-- and projections/redis_views.py, idle while they wait for another's lock or for their own process.
-- Index: log (shard, shard_seq), for the event each shard waits for; log (position), for the newest and the first unread.
with live as (
    select version from projections.projection where name = 'figures' and state = 'live'
), folded as (
    select coalesce(
        (
            select min(log.position) - 1
            from live
            join projections.checkpoint on checkpoint.name = 'figures' and checkpoint.version = live.version
            join events.log on log.shard = checkpoint.shard and log.shard_seq = checkpoint.shard_seq + 1
        ),
        (select max(position) from events.log),
        0
    ) as position
), at_work as (
    select (classid::bigint << 32) | objid::bigint as key,
        case when state = 'active' and wait_event_type is distinct from 'Lock' then 0
            else extract(epoch from clock_timestamp() - state_change) end::float8 as idle_seconds
    from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and objsubid = 1 and granted and datname = current_database()
)
select json_build_object(
    'seq', seq, 'position', freshness.position, 'lag_ms', lag_ms,
    'fresh_seconds', extract(epoch from clock_timestamp() - fresh_at)::float8,
    'unread_events', greatest(folded.position - freshness.position, 0),
    'unread_seconds', (
        select extract(epoch from clock_timestamp() - sequenced_at)::float8
        from events.log where log.position = freshness.position + 1 and log.position <= folded.position
    ),
    'refresher_idle_seconds', (
        select idle_seconds from at_work, live where key = 0x6672657368 + (version::bigint << 40)
    ),
    'filler_idle_seconds', (select idle_seconds from at_work where key = 0x7265646973)
)::text
from freshness, folded
