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

-- name: is_dirty
select exists (select from dirty_cell)

-- name: mark_every_cell_dirty
insert into dirty_cell (metric, period, cik)
select distinct metric, period, null::bigint from metric_value where known_to is null and period is not null

-- name: begin_refresh
create temporary table refresh_group (metric text, period text, group_by text, group_key text) on commit drop;
create temporary table refresh_cell (metric text, period text, unit text, whole boolean, piece integer) on commit drop

-- name: consume_dirty
-- A piece is as many cells as hold about so many members at most.
with marked as (delete from dirty_cell returning metric, period, cik),
cell as (
    select metric, period, cik from marked where metric is not null
    union all
    select value.metric, value.period, value.cik
    from metric_value as value
    where value.cik in (select cik from marked where metric is null) and value.known_to is null
        and value.period is not null
),
membership as (delete from dirty_membership returning cik, group_by, group_key),
narrowed as (
    insert into refresh_group (metric, period, group_by, group_key)
    select distinct cell.metric, cell.period, membership.group_by, membership.group_key
    from cell join membership on membership.cik = cell.cik
)
insert into refresh_cell (metric, period, unit, whole, piece)
select cell.metric, cell.period, unit.unit, bool_or(cell.cik is null),
    (row_number() over (order by cell.metric, cell.period) - 1) * greatest((select count(*) from company), 1)
    / %(members_at_once)s
from cell
join unnest(%(metric)s::text[], %(unit)s::text[]) as unit (metric, unit) on unit.metric = cell.metric
group by cell.metric, cell.period, unit.unit

-- name: count_dirty
-- What the planner assumes of fresh temporary tables fits neither one filing nor a first load.
analyze refresh_group, refresh_cell

-- name: sort_in_memory
set local work_mem = '64MB'

-- name: pieces
select distinct piece from refresh_cell order by piece

-- name: delete_groups
delete from group_aggregate using refresh_group as gone
where group_aggregate.metric = gone.metric and group_aggregate.group_by = gone.group_by
    and group_aggregate.period = gone.period and group_aggregate.group_key = gone.group_key

-- name: delete_cells
delete from group_aggregate using refresh_cell as gone
where gone.whole and group_aggregate.metric = gone.metric and group_aggregate.period = gone.period

-- name: write_groups
-- Every dirty group of some cells from all of its members. The order of members is that of (value, cik).
insert into group_aggregate (
    metric, period, group_by, group_key, unit, n, sum, sum_of_squares, mean, min, p10, p25, median, p75, p90, max,
    numerator, denominator, bottom_ciks, bottom_values, top_ciks, top_values
)
with placed as (
    select cell.metric, cell.period, cell.unit, place.group_by, place.group_key, member.cik, member.value,
        member.numerator, member.denominator
    from refresh_cell as cell
    cross join lateral frame(cell.metric, cell.period, cell.unit) as member
    join company on company.cik = member.cik
    cross join lateral (
        values ('all', 'all'), ('sector', company.sector), ('major_group', company.major_group),
            ('industry', company.industry), ('country', company.country), ('size_class', company.size_class)
    ) as place (group_by, group_key)
    left join refresh_group as wanted
        on wanted.metric = cell.metric and wanted.period = cell.period and wanted.group_by = place.group_by
        and wanted.group_key = place.group_key
    where cell.piece = %(piece)s and place.group_key is not null and (cell.whole or wanted.metric is not null)
),
gathered as (
    select metric, period, unit, group_by, group_key, count(*)::integer as n, sum(value) as sum,
        sum(value * value) as sum_of_squares, sum(numerator) as numerator, sum(denominator) as denominator,
        array_agg(value order by value, cik) as ascending, array_agg(cik order by value, cik) as ciks
    from placed
    group by metric, period, unit, group_by, group_key
)
select metric, period, group_by, group_key, unit, n, sum, sum_of_squares,
    round((sum + 0.000000000000000000000000000000) / n, 12), ascending[1],
    percentile(ascending, 10), percentile(ascending, 25), percentile(ascending, 50), percentile(ascending, 75),
    percentile(ascending, 90), ascending[n], numerator, denominator,
    ciks[:%(shown)s], ascending[:%(shown)s],
    array_reverse(ciks[n - %(shown)s + 1:]), array_reverse(ascending[n - %(shown)s + 1:])
from gathered
order by metric, group_by, period, group_key

-- name: record_changes
insert into aggregate_change (metric, group_by, period, seq, groups)
select metric, group_by, period, %(seq)s, case when not bool_or(whole) then array_agg(group_key) end
from (
    select metric, group_by, period, group_key, false as whole from refresh_group
    union all
    select metric, grouping, period, null, true
    from refresh_cell cross join unnest(%(groupings)s::text[]) as grouping
    where whole
) as changed
group by metric, group_by, period
order by metric, group_by, period
on conflict (metric, group_by, period) do update set
    previous = aggregate_change.seq, seq = excluded.seq, groups = excluded.groups

-- name: gather_filing_counts
with counted as (delete from filing_count returning filings)
insert into filing_count select sum(filings) from counted having count(*) > 0

-- name: set_freshness
-- Readers at the position until now are told what was rewritten, also where it stays the position.
with noted as (
    insert into refreshed (seq, told_at) select %(seq)s, greatest(%(position)s, position + 1) from freshness
), forgotten as (
    delete from refreshed
    where %(seq)s %% 1000 = 0 and not exists (select from aggregate_change where aggregate_change.seq = refreshed.seq)
)
update freshness
set seq = %(seq)s, position = %(position)s, fresh_at = %(fresh_at)s, lag_ms = %(lag_ms)s, parked = %(parked)s
