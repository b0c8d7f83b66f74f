-- name: try_lock
select pg_try_advisory_xact_lock(%(key)s)

-- name: snapshot_position
-- Everything up to here is folded: one before the first event some shard has yet to fold, else the head of the log.
select coalesce(
    (
        select min(log.position) - 1
        from projections.checkpoint
        join events.log on log.shard = checkpoint.shard and log.shard_seq = checkpoint.shard_seq + 1
        where checkpoint.name = 'figures' and checkpoint.version = %(version)s
    ),
    (select max(position) from events.log),
    0
) as position

-- name: recorded_at
select event.recorded_at
from events.log join events.event on event.id = log.event_id
where log.position = %(position)s

-- name: freshness
select seq, position, parked from freshness

-- name: parked_streams
select count(distinct stream) from projections.parked where name = 'figures' and version = %(version)s

-- name: has_dirty_groups
select exists (select from dirty_group)

-- name: mark_every_group_dirty
-- Every group of every aggregated cell in which some company stands.
insert into dirty_group (metric, period, group_by, group_key)
select distinct value.metric, value.period, groups.group_by, groups.group_key
from metric_value as value
join company on company.cik = value.cik
cross join lateral (
    values ('all', 'all'), ('sector', company.sector), ('industry', company.industry)
) as groups (group_by, group_key)
where value.known_to is null and (value.period_type = 'annual' or value.period like '%Q4I')
    and value.period is not null and groups.group_key is not null

-- name: consume_dirty_groups
with consumed as (delete from dirty_group returning metric, period, group_by, group_key)
select distinct metric, period, group_by, group_key from consumed

-- name: members
-- Index: metric_value_frame. The latest values of some metrics for some periods, with what places a company in groups.
select value.metric, value.period, value.cik, value.value, abs(value.calendar_offset), value.known_from, value.duration_days,
    company.sector, company.industry, coalesce(company.tickers[1], company.name)
from unnest(%(metric)s::text[], %(period)s::text[], %(unit)s::text[]) as cell (metric, period, unit)
join metric_value as value
    on value.metric = cell.metric and value.period = cell.period and value.known_to is null and value.unit = cell.unit
join company on company.cik = value.cik

-- name: delete_aggregates
delete from group_aggregate
using unnest(%(metric)s::text[], %(period)s::text[], %(group_by)s::text[], %(group_key)s::text[])
    as gone (metric, period, group_by, group_key)
where group_aggregate.metric = gone.metric and group_aggregate.group_by = gone.group_by
    and group_aggregate.period = gone.period and group_aggregate.group_key = gone.group_key

-- name: copy_aggregates
copy group_aggregate (metric, period, group_by, group_key, unit, n, sum, mean, min, p10, p25, median, p75, p90, max,
    top, bottom) from stdin

-- name: record_changes
insert into aggregate_change (metric, group_by, period, seq)
select metric, group_by, period, %(seq)s
from unnest(%(metric)s::text[], %(group_by)s::text[], %(period)s::text[]) as row (metric, group_by, period)
order by metric, group_by, period
on conflict (metric, group_by, period) do update set seq = excluded.seq

-- name: set_freshness
update freshness
set seq = %(seq)s, position = %(position)s, fresh_at = %(fresh_at)s, lag_ms = %(lag_ms)s, parked = %(parked)s
