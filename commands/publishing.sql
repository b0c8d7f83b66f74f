-- name: take_grown_shards
-- Index: log (shard, shard_seq), for the position of the first event not yet rung for; log (position), for the newest.
select
    publication.shard, first.shard_seq, head.shard_seq, first.position, head.position,
    event.meta ->> 'traceparent', event.meta ->> 'tracestate'
from events.publication
join events.shard_head as head on head.shard = publication.shard
join events.log as first on first.shard = publication.shard and first.shard_seq = publication.shard_seq + 1
join events.log as newest on newest.position = head.position
join events.event on event.id = newest.event_id
where head.shard_seq > publication.shard_seq
order by publication.shard
for update of publication skip locked

-- name: note_rung
update events.publication
set shard_seq = rung.shard_seq, rung_at = clock_timestamp()
from unnest(%(shards)b::smallint[], %(shard_seqs)b::bigint[]) as rung (shard, shard_seq)
where publication.shard = rung.shard
