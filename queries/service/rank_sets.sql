-- name: unchanged_since
-- The refresh since which each cell is as it is, for each grouping (primary key of aggregate_change). Where changes of a
-- cell are not recorded, it may have changed with any refresh.
select cell.metric, cell.period, grouping.group_by, coalesce(change.seq, freshness.seq) as seq
from freshness
cross join unnest(%(metrics)s::text[], %(periods)s::text[]) as cell (metric, period)
cross join unnest(%(group_bys)s::text[]) as grouping (group_by)
left join aggregate_change as change
    on change.metric = cell.metric and change.group_by = grouping.group_by and change.period = cell.period;

-- name: members
-- Everybody in a cell who is in a group of a kind (frame).
select group_key(company, %(group_by)s) as group_key, held.value, held.cik
from frame(%(metric)s, %(period)s) as held
join company using (cik)
where group_key(company, %(group_by)s) is not null;

-- name: figures
-- What the values of each group of a kind add up to, and which stand in their middle (frame).
select group_key(company, %(group_by)s) as group_key, count(*) as n, sum(held.value) as sum,
       sum(held.value * held.value) as squares,
       percentile_disc(0.5) within group (order by held.value) as lower,
       percentile_disc(0.5) within group (order by held.value desc) as upper
from frame(%(metric)s, %(period)s) as held
join company using (cik)
where group_key(company, %(group_by)s) is not null
group by 1;
