-- name: building
select to_seq, stream from projections.building
where name = %(name)s and version = %(version)s and shard = %(shard)s

-- name: take_building
select stream, stream_version from projections.building
where name = %(name)s and version = %(version)s and shard = %(shard)s and not done
for update

-- name: move_building
update projections.building
set stream = %(stream)s, stream_version = %(stream_version)s, folded = folded + %(folded)s
where name = %(name)s and version = %(version)s and shard = %(shard)s

-- name: end_building
-- Only where every event of the shard was met.
with ended as (
    update projections.building
    set done = true
    where name = %(name)s and version = %(version)s and shard = %(shard)s and folded = to_seq
    returning to_seq, to_position
)
update projections.checkpoint
set shard_seq = ended.to_seq, position = ended.to_position, updated_at = clock_timestamp()
from ended
where name = %(name)s and version = %(version)s and shard = %(shard)s

-- name: stream_sizes
-- What is still to be folded of a shard, and how large each stream of it is.
select event.stream, sum(event.size), count(*)
from events.stream
join events.event on event.stream = stream.stream
where stream.shard = %(shard)s and stream.stream >= %(stream)s
group by event.stream
order by event.stream

-- name: events_of_streams
-- Index: event (stream, version). Whole streams one after the other, cut where the batch is full; at least one event.
select position, shard, shard_seq, event_id, stream, version, type, data::text, recorded_at
from (
    select
        log.position, log.shard, log.shard_seq, log.event_id,
        event.stream, event.version, event.type, event.data, event.recorded_at,
        sum(event.size) over (order by event.stream, event.version) - event.size as bytes_before
    from events.event
    join events.log on log.event_id = event.id
    where event.stream = any(%(streams)s) and log.shard_seq <= %(to_seq)s
        and (event.stream, event.version) > (%(stream)s, %(stream_version)s)
    order by event.stream, event.version
    limit %(max_events)s
) as batch
where bytes_before < %(max_bytes)s
order by stream, version

-- name: keep_dirty_cells_apart
-- Found before the tables of the version, and emptied by each commit: every cell is marked once all is folded.
create temporary table dirty_cell (metric text, period text, cik bigint) on commit delete rows
