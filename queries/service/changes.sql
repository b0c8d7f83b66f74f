-- name: horizon
-- From where on changes are kept; no row where all are.
select position from change_horizon;

-- name: events
-- What events changed, in the order in which readers are told. Those told late stand at the place they were told at.
-- Index: change (position) or change (cik, position), late_change (told_at).
select told.*, coalesce(company.tickers[1], company.name) as company, filing.form, filing.known_at, filing.withdrawn_at
from (
    select change.position as told_at, change.*
    from change
    where change.position >= %(told_at)s and change.position <= %(up_to)s
      and not exists (select from late_change where late_change.position = change.position)
    union all
    select late_change.told_at, change.*
    from late_change
    join change on change.position = late_change.position
    where late_change.told_at >= %(told_at)s and late_change.told_at <= %(up_to)s
) as told
left join company on company.cik = told.cik
left join filing on filing.cik = told.cik and filing.accession = told.accession
where (told.told_at, told.position) >= (%(told_at)s, %(place)s)
  and (%(ciks)s::bigint[] is null or told.cik = any(%(ciks)s))
  and told.kind = any(%(kinds)s)
order by told.told_at, told.position, told.field
limit %(limit)s;

-- name: restated
-- The figures that say something else, or nothing more, from the instant on at which some filings became known or were
-- withdrawn; `place` counts the filings. What came of several that became known at one instant is told of the one it names,
-- else of the last. Index: metric_value_ended, metric_value primary key, filing primary key.
select filed.place, restated.*
from unnest(%(cik)s::bigint[], %(accession)s::text[], %(instant)s::timestamptz[], %(is_withdrawn)s::boolean[])
    with ordinality as filed (cik, accession, instant, is_withdrawn, place)
cross join lateral (
    select before.metric, coalesce(since.unit, before.unit) as unit, before.period_type, before.period, before.period_start,
        before.period_end, before.duration_days, before.value as old_value, since.value,
        before.accession as old_accession, before.known_to as known_from
    from metric_value as before
    left join metric_value as since on since.cik = before.cik and since.metric = before.metric
        and since.period_end = before.period_end and since.duration_days = before.duration_days
        and since.period_type = before.period_type and since.revision = before.revision + 1
        and since.known_from = before.known_to
    where before.cik = filed.cik and before.known_to = filed.instant
      and (since.value is null or (since.value, since.unit) <> (before.value, before.unit))
      and (
          filed.is_withdrawn or filed.accession = coalesce(
              (
                  select own.accession from filing as own
                  where own.cik = filed.cik and own.accession = since.accession and own.known_at = filed.instant
              ),
              (
                  select max(other.accession) from filing as other
                  where other.cik = filed.cik and other.known_at = filed.instant
              )
          )
      )
) as restated
where restated.metric = any(%(metrics)s)
  and (
      filed.place > 1 or %(after_metric)s::text is null
      or (restated.metric, restated.period_end, restated.duration_days, restated.period_type)
          > (%(after_metric)s, %(after_end)s::date, %(after_days)s::integer, %(after_type)s)
  )
order by filed.place, restated.metric, restated.period_end, restated.duration_days, restated.period_type
limit %(limit)s;

-- name: replacements
-- When other figures took the place of those before.
select told_at, replaced_at
from replacement
where told_at >= %(told_at)s and told_at <= %(up_to)s
order by told_at;

-- name: aggregates
-- The metrics and periods for which figures over groups were worked out anew, each where that was told last; a metric with
-- more than `most_periods` of them at one place is told there once. Index: refreshed (told_at), aggregate_change (seq,
-- metric, period).
select place.told_at, changed.metric, cell.period, cell.groupings
from (
    select told_at, array_agg(seq) as seqs
    from refreshed
    where told_at >= %(told_at)s and told_at <= %(up_to)s
    group by told_at
) as place
cross join lateral (
    select metric, count(distinct period) > %(most_periods)s as in_many_periods
    from aggregate_change
    where seq = any(place.seqs) and metric = any(%(metrics)s)
      and (%(after_metric)s::text is null or place.told_at > %(told_at)s or metric >= %(after_metric)s)
    group by metric
) as changed
cross join lateral (
    select null as period, null::text[] as groupings where changed.in_many_periods
    union all
    select period, array_agg(distinct group_by order by group_by)
    from aggregate_change
    where not changed.in_many_periods and seq = any(place.seqs) and metric = changed.metric
    group by period
) as cell
where %(after_metric)s::text is null or place.told_at > %(told_at)s
   or (changed.metric, coalesce(cell.period, %(every_period)s)) > (%(after_metric)s, %(after_period)s)
order by place.told_at, changed.metric, cell.period
limit %(limit)s;
