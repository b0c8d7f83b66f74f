-- name: of_periods
-- The groups of one grouping over the calendar periods from `low` to `high` of one form, the latest `last` of them.
-- Index: group_aggregate primary key.
with held as (
    select * from group_aggregate
    where metric = %(metric)s and group_by = %(group_by)s and period between %(low)s and %(high)s
        and period ~ %(form)s
        and (%(groups)s::text[] is null or group_key = any(%(groups)s))
)
select metric, period, group_by, group_key, unit, n, sum, sum_of_squares, mean, min, p10, p25, median, p75, p90, max,
    numerator, denominator, bottom_ciks, bottom_values, top_ciks, top_values
from held
where period in (select distinct period from held order by period desc limit %(last)s)
order by period, group_key;

-- name: names
-- Index: company primary key.
select cik, coalesce(tickers[1], name) as shown from company where cik = any(%(ciks)s);
