-- name: values
-- Values of some companies' metrics in one view of knowledge (primary key of metric_value by cik and metric), for
-- periods that end since a day. Of the metrics that only show which periods there are, whenever these end, the kinds of
-- period in calendar_types are read.
select v.cik, v.metric, v.unit, v.period_type, v.period, v.period_start, v.period_end, v.duration_days,
       v.calendar_offset, v.value, v.accession, v.known_from, v.flags
from unnest(%(ciks)s::bigint[]) as c (cik)
cross join (
    select metric, %(period_types)s::text[], coalesce(%(since)s::date, '-infinity')
    from unnest(%(metrics)s::text[]) as m (metric)
    union all
    select metric, %(calendar_types)s::text[], '-infinity'
    from unnest(%(calendar_metrics)s::text[]) as m (metric)
) as wanted (metric, period_types, since)
join metric_value v on v.cik = c.cik and v.metric = wanted.metric and v.period_end >= wanted.since
where v.period_type = any(wanted.period_types)
  and case %(view)s
          when 'latest' then v.known_to is null
          when 'first' then v.revision = 0 and (%(as_of)s::timestamptz is null or v.known_from <= %(as_of)s)
          else v.known_from <= %(as_of)s and (v.known_to is null or v.known_to > %(as_of)s)
      end;
