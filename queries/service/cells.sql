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
