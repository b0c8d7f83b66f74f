-- name: parked
-- The first event of a stream is the one that failed.
select parked.name, parked.version, stream, min(position) as position, count(*) as events,
    (array_agg(attempts order by position))[1] as attempts, min(parked_at) as parked_at,
    (array_agg(error order by position))[1] as error
from projections.parked
join projections.projection using (name, version)
where projection.state <> 'retired'
group by parked.name, parked.version, stream
order by parked.name, parked.version, stream

-- name: parked_among
-- Index: parked (name, version, stream).
select distinct stream from projections.parked
where name = %(name)s and version = %(version)s and stream = any(%(streams)s)

-- name: park
insert into projections.parked (name, version, position, stream, error, attempts)
select %(name)s, %(version)s, position, stream, error, attempts
from unnest(%(position)s::bigint[], %(stream)s::text[], %(error)s::text[], %(attempts)s::integer[])
    as row (position, stream, error, attempts)

-- name: hold_checkpoint
-- Waits for a projector at work on the stream's shard and keeps the next one away.
select checkpoint.shard
from projections.checkpoint
join events.stream using (shard)
where checkpoint.name = %(name)s and checkpoint.version = %(version)s and stream.stream = %(stream)s
for update of checkpoint

-- name: parked_events
-- Index: parked (name, version, stream). The next events of a stream, as many as fit, but at least one.
select position, shard, shard_seq, event_id, stream, version, type, data::text, recorded_at
from (
    select
        log.position, log.shard, log.shard_seq, log.event_id,
        event.stream, event.version, event.type, event.data, event.recorded_at,
        sum(event.size) over (order by log.position) - event.size as bytes_before
    from projections.parked
    join events.log on log.position = parked.position
    join events.event on event.id = log.event_id
    where parked.name = %(name)s and parked.version = %(version)s and parked.stream = %(stream)s
) as batch
where bytes_before < %(max_bytes)s
order by position

-- name: remove
delete from projections.parked
where name = %(name)s and version = %(version)s and position = any(%(positions)s)

-- name: failed_again
update projections.parked
set error = %(error)s, attempts = attempts + 1, parked_at = clock_timestamp()
where name = %(name)s and version = %(version)s and position = %(position)s
