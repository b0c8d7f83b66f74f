-- name: is_anything_pending
-- Index: pending (id).
select exists (select from events.pending order by id limit 1)

-- name: become_sequencer
select pg_try_advisory_xact_lock(%(lock)s)

-- name: sequence_pending
-- One statement, so one snapshot: what is claimed, the last position and the shard heads belong together.
with claimed as (
    delete from events.pending
    where id in (select id from events.pending order by id limit %(limit)s)
    returning id, shard
),
last as (
    select coalesce(max(position), 0) as position from events.log
),
placed as (
    insert into events.log (position, shard, shard_seq, event_id)
    select
        last.position + row_number() over (order by claimed.id),
        claimed.shard,
        coalesce(head.shard_seq, 0) + row_number() over (partition by claimed.shard order by claimed.id),
        claimed.id
    from claimed
    cross join last
    left join events.shard_head as head on head.shard = claimed.shard
    returning position, shard, shard_seq
),
moved as (
    insert into events.shard_head (shard, shard_seq, position)
    select shard, max(shard_seq), max(position)
    from placed
    group by shard
    order by shard
    on conflict (shard) do update set shard_seq = excluded.shard_seq, position = excluded.position
)
select count(*) from placed

-- name: newest_traces
-- The traces of the events just placed.
select distinct event.meta ->> 'traceparent', event.meta ->> 'tracestate'
from events.log
join events.event on event.id = log.event_id
where log.position > (select max(position) from events.log) - %(placed)s
    and event.meta ->> 'traceparent' is not null
limit %(most)s
