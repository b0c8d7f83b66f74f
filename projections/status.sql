-- name: heads
select
    coalesce((select max(position) from events.log), 0) as head,
    (select count(*) from events.pending) as pending,
    (select recorded_at from events.event join events.pending on pending.id = event.id order by pending.id limit 1)
        as oldest_pending_at

-- name: shards
-- Of the live version and one being built; a retired one stands still.
select checkpoint.name, checkpoint.version, projection.state, checkpoint.shard, checkpoint.shard_seq,
    coalesce(shard_head.shard_seq, 0) as head_seq, checkpoint.position,
    extract(epoch from clock_timestamp() - waiting.sequenced_at)::float8 as waiting_seconds
from projections.checkpoint
join projections.projection using (name, version)
left join events.shard_head on shard_head.shard = checkpoint.shard
left join events.log as waiting on waiting.shard = checkpoint.shard and waiting.shard_seq = checkpoint.shard_seq + 1
where projection.state <> 'retired'
order by checkpoint.name, checkpoint.version, checkpoint.shard

-- name: freshness
select seq, position, fresh_at, lag_ms, parked from freshness

-- name: sizes
select
    (select count(*) from company) as companies,
    (select count(*) from filing) as filings,
    (select coalesce(sum(fact_count), 0) from filing) as facts,
    (select count(*) from group_aggregate) as aggregates
