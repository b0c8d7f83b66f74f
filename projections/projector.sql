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
select checkpoint.shard_seq, shard_head.shard_seq
from projections.checkpoint
join events.shard_head using (shard)
where checkpoint.name = %(name)s and checkpoint.version = %(version)s and checkpoint.shard = %(shard)s

-- name: parked_streams
-- Index: parked (name, version, stream).
select distinct stream from projections.parked
where name = %(name)s and version = %(version)s and stream = any(%(streams)s)

-- name: park
insert into projections.parked (name, version, position, stream, error)
select %(name)s, %(version)s, position, stream, error
from unnest(%(position)s::bigint[], %(stream)s::text[], %(error)s::text[]) as row (position, stream, error)
