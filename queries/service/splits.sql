-- name: splits
-- The share splits of some companies known at an instant (primary key of company_split by cik).
select cik, known_from, ratio, accession
from company_split
where cik = any(%(ciks)s) and (%(as_of)s::timestamptz is null or known_from <= %(as_of)s)
order by cik, known_from;

-- name: share_values
-- Every version of some companies' share figures (primary key of metric_value by cik and metric).
select cik, metric, period_type, period, period_end, duration_days, value, unit, known_from, known_to
from metric_value
where cik = any(%(ciks)s) and metric = any(%(metrics)s);
