-- name: take_checkpoint
-- Nobody waits here: whoever holds the row will look for newer events after letting go of it.
select checkpoint.shard_seq
from projections.checkpoint
where name = %(name)s and version = %(version)s and shard = %(shard)s
for update skip locked

-- name: move_checkpoint
update projections.checkpoint
set shard_seq = %(shard_seq)s, position = %(position)s, updated_at = clock_timestamp()
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
