-- name: read_shard
-- Index: log (shard, shard_seq). A batch ends at `max_bytes`, but always holds one event.
select position, shard, shard_seq, event_id, stream, version, type, data::text, recorded_at, traceparent, tracestate
from (
    select
        log.position, log.shard, log.shard_seq, log.event_id,
        event.stream, event.version, event.type, event.data, event.recorded_at,
        event.meta ->> 'traceparent' as traceparent, event.meta ->> 'tracestate' as tracestate,
        sum(event.size) over (order by log.shard_seq) - event.size as bytes_before
    from events.log
    join events.event on event.id = log.event_id
    where log.shard = %(shard)s and log.shard_seq > %(after)s and log.shard_seq <= %(after)s::bigint + %(max_events)s
) as batch
where bytes_before < %(max_bytes)s
order by shard_seq

-- name: read_log
-- Index: log (position).
select
    log.position, log.shard, log.shard_seq, log.event_id,
    event.stream, event.version, event.type, event.data::text, event.recorded_at,
    event.meta ->> 'traceparent' as traceparent, event.meta ->> 'tracestate' as tracestate
from events.log
join events.event on event.id = log.event_id
where log.position > %(after)s and log.position <= %(after)s::bigint + %(max_events)s
order by log.position

-- name: origins
-- Index: log (position). Where the newest of some positions came from.
select distinct event.meta ->> 'traceparent', event.meta ->> 'tracestate'
from events.log
join events.event on event.id = log.event_id
where log.position > greatest(%(after)s, %(up_to)s - %(events)s) and log.position <= %(up_to)s
    and event.meta ->> 'traceparent' is not null
limit %(most)s

-- name: shard_heads
select shard, shard_seq, position from events.shard_head order by shard

-- name: position_of
-- Index: log (event_id).
select position from events.log where event_id = %(event_id)s

-- name: pending_count
select count(*) from events.pending

-- name: event_exists
select exists (select from events.event where id = %(event_id)s)
