-- name: versions
-- Every value some metrics of a company have had (primary key of metric_value by cik and metric).
select v.metric, v.period_type, v.period, v.period_start, v.period_end, v.duration_days, v.calendar_offset, v.revision,
       v.known_from, v.known_to, v.value, v.unit, v.accession, v.concept, v.sources::text as sources, v.flags, f.form, f.filed_on,
       f.accepted_at
from metric_value v
left join filing f on f.cik = v.cik and f.accession = v.accession
where v.cik = %(cik)s and v.metric = any(%(metrics)s)
order by v.metric, v.period_end, v.duration_days, v.revision;
