-- name: lagging_shards
-- Shards of the live version with events to fold, furthest behind first, and how many events wait.
select checkpoint.shard, shard_head.shard_seq - checkpoint.shard_seq as events
from projections.projection
join projections.checkpoint using (name, version)
join events.shard_head using (shard)
where projection.name = %(name)s and projection.state = 'live' and shard_head.shard_seq > checkpoint.shard_seq
order by events desc, checkpoint.shard
