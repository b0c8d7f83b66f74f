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
