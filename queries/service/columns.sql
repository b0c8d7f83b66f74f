-- name: unchanged_since
-- The refresh since which each cell is as it is (primary key of aggregate_change). Where changes of a cell are not
-- recorded, it may have changed with any refresh.
select coalesce(change.seq, freshness.seq) as seq
from unnest(%(metrics)s::text[], %(periods)s::text[], %(group_bys)s::text[])
    with ordinality as asked (metric, period, group_by, place)
cross join freshness
left join aggregate_change as change
    on change.metric = asked.metric and change.group_by = asked.group_by and change.period = asked.period
order by place;

-- name: everybody
-- What companies stand for (frame_value_order). Two lists are read several times sooner than rows.
select coalesce(array_agg(cik), '{}') as ciks, coalesce(array_agg(value), '{}') as values
from (select cik, value from frame(%(metric)s, %(period)s) order by value, cik) as ascending;

-- name: everybody_as_of
-- The same as it stood at an instant (frame_as_of).
select coalesce(array_agg(cik), '{}') as ciks, coalesce(array_agg(value), '{}') as values
from (
    select cik, value from frame_as_of(%(metric)s, %(period)s, %(unit)s, %(as_of)s) order by value, cik
) as ascending;

-- name: groups
-- Who is in which group of a kind today (company, all of it).
select key, array_agg(cik) as ciks
from (select cik, group_key(company, %(group_by)s) as key from company) as grouped
where key is not null
group by key;
