-- name: take_checkpoint
-- Nobody waits here: whoever holds the row will look for newer events after letting go of it.
select shard_seq, last_batch_events, last_batch_seconds
from projections.checkpoint
where name = %(name)s and version = %(version)s and shard = %(shard)s
for update skip locked

-- name: move_checkpoint
-- The transaction began when the batch did.
update projections.checkpoint
set shard_seq = %(shard_seq)s, position = %(position)s, updated_at = clock_timestamp(),
    batches = batches + 1, busy_seconds = busy_seconds + extract(epoch from clock_timestamp() - now()),
    last_batch_events = %(shard_seq)s - shard_seq, last_batch_seconds = extract(epoch from clock_timestamp() - now())
where name = %(name)s and version = %(version)s and shard = %(shard)s

-- name: lag
-- Of the live version. The count of parked streams is that of a table which is empty as a rule.
select projection.version, projection.generation, checkpoint.shard_seq, shard_head.shard_seq,
    (
        select count(distinct stream) from projections.parked
        where parked.name = projection.name and parked.version = projection.version
    )
from projections.projection
join projections.checkpoint using (name, version)
join events.shard_head using (shard)
where projection.name = %(name)s and projection.state = 'live' and checkpoint.shard = %(shard)s
