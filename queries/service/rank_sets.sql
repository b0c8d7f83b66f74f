-- name: unchanged_since
-- The refresh since which a cell is as it is (primary key of aggregate_change). Where changes of it are not recorded, it
-- may have changed with any refresh.
select coalesce(change.seq, freshness.seq) as seq
from freshness
left join aggregate_change as change
    on change.metric = %(metric)s and change.group_by = %(group_by)s and change.period = %(period)s;

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
