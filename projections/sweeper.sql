-- name: lagging_shards
-- Shards with events to fold, furthest behind first, and how many events wait.
select checkpoint.shard, shard_head.shard_seq - checkpoint.shard_seq as events
from projections.checkpoint
join events.shard_head using (shard)
where checkpoint.name = %(name)s and checkpoint.version = %(version)s
    and shard_head.shard_seq > checkpoint.shard_seq
order by events desc, checkpoint.shard
