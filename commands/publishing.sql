-- name: take_grown_shards
-- Index: log (shard, shard_seq), for the position of the first event not yet rung for; log (position), for the newest;
-- shard by shard: `offset 0` keeps the planner from reading the log.
select
    publication.shard, first.shard_seq, head.shard_seq, first.position, head.position,
    newest.meta ->> 'traceparent', newest.meta ->> 'tracestate'
from events.publication
join events.shard_head as head on head.shard = publication.shard
cross join lateral (
    select * from events.log
    where (log.shard, log.shard_seq) = (publication.shard, publication.shard_seq + 1)
    offset 0
) as first
cross join lateral (
    select event.meta from events.log join events.event on event.id = log.event_id
    where log.position = head.position
    offset 0
) as newest
where head.shard_seq > publication.shard_seq
order by publication.shard
for update of publication skip locked

-- name: note_rung
update events.publication
set shard_seq = rung.shard_seq, rung_at = clock_timestamp()
from unnest(%(shards)b::smallint[], %(shard_seqs)b::bigint[]) as rung (shard, shard_seq)
where publication.shard = rung.shard
