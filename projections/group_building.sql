-- name: begin
-- The metrics somebody has. Index: metric_value_cell.
insert into projections.building_groups (name, version, metric)
select %(name)s, %(version)s, stated.metric
from unnest(%(metrics)s::text[]) as stated (metric)
where exists (select from metric_value where metric_value.metric = stated.metric)

-- name: progress
select count(*) filter (where done), count(*) from projections.building_groups
where name = %(name)s and version = %(version)s

-- name: take
-- Others look past it; it is done with the commit.
update projections.building_groups
set done = true
where name = %(name)s and version = %(version)s and metric = (
    select metric from projections.building_groups
    where name = %(name)s and version = %(version)s and not done
    order by metric
    limit 1
    for update skip locked
)
returning metric
