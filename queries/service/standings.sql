-- name: places
-- Where values stand in groups of some cells, and what the groups add up to (frame_known, all of each cell once).
select cell.metric, grouping.group_by, count(*) as n, sum(held.value) as sum, sum(held.value * held.value) as squares,
       percentile_disc(0.5) within group (order by held.value) as lower,
       percentile_disc(0.5) within group (order by held.value desc) as upper,
       count(*) filter (where held.value < cell.value) as below,
       count(*) filter (where held.value <= cell.value) as not_larger
from unnest(%(metrics)s::text[], %(periods)s::text[], %(units)s::text[], %(values)s::numeric[], %(not_for)s::text[])
    as cell (metric, period, unit, value, not_for)
cross join lateral frame_known(cell.metric, cell.period, cell.unit, %(as_of)s) as held
cross join lateral class_{members}(held.cik, coalesce(%(as_of)s, held.known_from), cell.not_for) as class
join unnest(%(group_bys)s::text[], %(groups)s::text[]) as grouping (group_by, group_key)
    on grouping.group_key = group_key(class, grouping.group_by)
group by cell.metric, grouping.group_by;

-- name: units
-- The units in which a company has a metric for a calendar period, and whether the company it goes on as counts there
-- (primary key of metric_value by cik and metric).
select unit, is_stated_by_successor(cik, metric, period, unit, %(as_of)s) as by_successor
from metric_value
where cik = %(cik)s and metric = %(metric)s and period = %(period)s
    and case
        when %(as_of)s::timestamptz is null then known_to is null
        else known_from <= %(as_of)s and (known_to is null or known_to > %(as_of)s)
    end;
