-- name: alone
-- Held as long as its connection: one rebuild at a time.
select pg_advisory_lock(hashtextextended('rebuild ' || %(name)s, 0))

-- name: begin_version
insert into projections.projection (name, version, state, rules)
select %(name)s, max(version) + 1, 'building', %(rules)s from projections.projection where name = %(name)s
returning version

-- name: begin_checkpoints
insert into projections.checkpoint (name, version, shard)
select name, %(version)s, shard from projections.checkpoint where name = %(name)s and version = %(live)s

-- name: begin_building
-- Up to where the live version stands now: behind that the new version follows it.
insert into projections.building (name, version, shard, to_seq, to_position, done)
select name, %(version)s, shard, shard_seq, position, shard_seq = 0
from projections.checkpoint
where name = %(name)s and version = %(live)s

-- name: under_way
-- Every transaction holds a lock on its own number from its beginning to its end.
select coalesce(array_agg(virtualtransaction), '{}')
from pg_locks join pg_stat_activity using (pid)
where locktype = 'virtualxid' and mode = 'ExclusiveLock'
    and datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()

-- name: still_under_way
select coalesce(array_agg(virtualtransaction), '{}')
from pg_locks
where locktype = 'virtualxid' and mode = 'ExclusiveLock' and virtualtransaction = any(%(transactions)s)

-- name: forget_parked
delete from projections.parked where name = %(name)s and version = %(version)s

-- name: forget_checkpoints
delete from projections.checkpoint where name = %(name)s and version = %(version)s

-- name: forget_projection
delete from projections.projection where name = %(name)s and version = %(version)s

-- name: unfinished_shards
-- The longest first, so that the last to end is a short one.
select shard from projections.building
where name = %(name)s and version = %(version)s and not done
order by to_seq - folded desc, shard

-- name: progress
select coalesce(sum(folded), 0)::bigint, coalesce(sum(to_seq), 0)::bigint from projections.building
where name = %(name)s and version = %(version)s

-- name: gaps
-- How far a version is behind the live one, in each shard.
select live.shard, live.shard_seq, live.shard_seq - own.shard_seq
from projections.checkpoint as own
join projections.projection as projection on projection.name = own.name and projection.state = 'live'
join projections.checkpoint as live
    on live.name = own.name and live.version = projection.version and live.shard = own.shard
where own.name = %(name)s and own.version = %(version)s
order by live.shard

-- name: hold_checkpoints
-- Waits for the projectors at work and keeps others away until the transaction ends.
select shard, shard_seq from projections.checkpoint
where name = %(name)s and version = %(version)s
order by shard
for update

-- name: retire
update projections.projection set state = 'retired' where name = %(name)s and state = 'live'

-- name: go_live
update projections.projection
set state = 'live',
    generation = (select max(generation) + 1 from projections.projection where name = %(name)s)
where name = %(name)s and version = %(version)s

-- name: lock_freshness
-- A refresh of the live version that is under way fails to commit after this, or has committed before it.
select seq, position, fresh_at, lag_ms from freshness for update

-- name: fragments
select metric, group_by, period from aggregate_change

-- name: continue_freshness
with noted as (
    insert into refreshed (seq, told_at) select greatest(seq, %(seq)s) + 1, position + 1 from freshness
)
update freshness
set seq = greatest(seq, %(seq)s) + 1,
    fresh_at = case position when %(position)s then %(fresh_at)s else fresh_at end,
    lag_ms = case position when %(position)s then %(lag_ms)s else lag_ms end
returning seq

-- name: change_own
update aggregate_change set seq = %(seq)s, groups = null

-- name: change_others
insert into aggregate_change (metric, group_by, period, seq)
select metric, group_by, period, %(seq)s
from unnest(%(metric)s::text[], %(group_by)s::text[], %(period)s::text[]) as row (metric, group_by, period)
on conflict (metric, group_by, period) do nothing

-- name: tell_replacement
insert into replacement (told_at, replaced_at) select position + 1, %(at)s from freshness
on conflict (told_at) do update set replaced_at = greatest(replacement.replaced_at, excluded.replaced_at)
