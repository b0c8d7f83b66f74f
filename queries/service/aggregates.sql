-- name: of_period
-- Every group of one grouping for a metric and period (primary key of group_aggregate).
select metric, period, group_by, group_key, unit, n, sum, mean, min, p10, p25, median, p75, p90, max,
       top::text as top, bottom::text as bottom
from group_aggregate
where metric = %(metric)s and group_by = %(group_by)s and period = %(period)s;
