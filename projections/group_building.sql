-- name: begin
-- Those nobody has are done. Index: metric_value_cell.
insert into projections.building_groups (name, version, metric, done)
select %(name)s, %(version)s, stated.metric,
    not exists (select from metric_value where metric_value.metric = stated.metric)
from unnest(%(metrics)s::text[]) as stated (metric)

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

-- name: wait
-- Until a metric that was held is to be had, or all are done.
select from projections.building_groups
where name = %(name)s and version = %(version)s and not done
order by metric
limit 1
for update
