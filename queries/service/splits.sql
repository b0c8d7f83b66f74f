-- name: splits
-- The share splits of some companies known at an instant, or now (primary key of company_split by cik).
select cik, filed_from, ratio, accession
from company_split
where cik = any(%(ciks)s) and case
    when %(as_of)s::timestamptz is null then known_to is null
    else known_from <= %(as_of)s and (known_to is null or known_to > %(as_of)s)
end
order by cik, filed_from;

-- name: share_values
-- Every version of some companies' share figures (primary key of metric_value by cik and metric).
select cik, metric, period_type, period, period_end, duration_days, value, unit, known_from, known_to
from metric_value
where cik = any(%(ciks)s) and metric = any(%(metrics)s);
