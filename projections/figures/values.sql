-- name: copies_in_windows
-- The relevant copies of one company that end inside some windows. Index: fact primary key (cik, period_end).
select fact.concept, fact.unit, fact.period_start, fact.period_end, fact.duration_days, fact.value,
    filing.known_at, filing.withdrawn_at, fact.accession, filing.form, filing.filed_on, filing.source, filing.period_end
from unnest(%(low)s::date[], %(high)s::date[]) as span (low, high)
join fact on fact.cik = %(cik)s and fact.period_end between span.low and span.high
join filing on filing.cik = fact.cik and filing.accession = fact.accession
where fact.concept = any(%(concepts)s)

-- name: values_in_windows
-- Index: metric_value primary key, by company.
select metric, period_type, period, period_start, period_end, duration_days, calendar_offset, revision,
    known_from, known_to, value, unit, accession, concept, sources::text, flags, numerator, denominator
from unnest(%(low)s::date[], %(high)s::date[]) as span (low, high)
join metric_value on metric_value.cik = %(cik)s and period_end between span.low and span.high

-- name: delete_values
delete from metric_value
using unnest(
    %(metric)s::text[], %(period_end)s::date[], %(duration_days)s::integer[], %(period_type)s::text[],
    %(revision)s::integer[]
) as gone (metric, period_end, duration_days, period_type, revision)
where metric_value.cik = %(cik)s and metric_value.metric = gone.metric
    and metric_value.period_end = gone.period_end and metric_value.duration_days = gone.duration_days
    and metric_value.period_type = gone.period_type and metric_value.revision = gone.revision

-- name: copy_values
copy metric_value (cik, metric, period_type, period, period_start, period_end, duration_days, calendar_offset,
    revision, known_from, known_to, value, unit, accession, concept,
    sources, flags, numerator, denominator) from stdin

-- name: delete_checks_in_windows
-- Index: filing_check primary key, by company.
delete from filing_check using unnest(%(low)s::date[], %(high)s::date[]) as span (low, high)
where cik = %(cik)s and period_end between span.low and span.high

-- name: copy_checks
copy filing_check (cik, accession, check_name, period_start, period_end, duration_days, stated, expected) from stdin

-- name: delete_splits
delete from company_split where cik = %(cik)s

-- name: copy_splits
copy company_split (cik, filed_from, ratio, accession, known_from, known_to) from stdin

-- name: copy_dirty_cells
copy dirty_cell (metric, period, cik) from stdin
