-- name: periods
-- The latest `last` calendar periods of one form, from `low` to `high`, in which a group has a member, or with coverage
-- one of whom a value is expected. Index: metric_value_cell, a look for each period and metric.
with recursive label (period) as (
    select max(latest.period)
    from unnest(%(known_by)s::text[]) as known (metric)
    cross join lateral (
        select max(period) as period from metric_value
        where metric = known.metric and period between %(low)s and %(high)s
            and (known_to is null or %(as_of)s::timestamptz is not null)
    ) as latest
    union all
    select earlier.period
    from label
    cross join lateral (
        select max(latest.period) as period
        from unnest(%(known_by)s::text[]) as known (metric)
        cross join lateral (
            select max(period) as period from metric_value
            where metric = known.metric and period >= %(low)s and period < label.period
                and (known_to is null or %(as_of)s::timestamptz is not null)
        ) as latest
    ) as earlier
    where label.period is not null
)
select label.period
from label
cross join lateral (
    select from metric_value as held
    cross join lateral class_{members}(held.cik, coalesce(%(as_of)s, held.known_from), '') as class
    where held.metric = any(%(known_by)s) and held.period = label.period
        and (%(coverage)s or held.unit = %(unit)s)
        and held.known_from <= coalesce(%(as_of)s, 'infinity')
        and (held.known_to is null or held.known_to > %(as_of)s)
        and group_key(class, %(group_by)s) = any(coalesce(%(groups)s, array[group_key(class, %(group_by)s)]))
    limit 1
) as member
where label.period ~ %(form)s
order by label.period desc
limit %(last)s;

-- name: groups
-- The groups of one grouping in some calendar periods, each from all of its members as they were known at `as_of` (null:
-- now) and classified then or today; with coverage also those of whose companies none has a value. The same figures in the same order and rounding as group_aggregate.
-- Index: metric_value_cell, or frame_value_order.
with asked as (
    select period, 'CY' || substr(period, 3, 4)::integer - 1 || substr(period, 7) as year_before
    from unnest(%(periods)s::text[]) as asked (period)
),
standing as materialized (
    select asked.period, held.cik, held.value, held.numerator, held.denominator, held.known_from
    from asked cross join lateral frame_known(%(metric)s, asked.period, %(unit)s, %(as_of)s) as held
),
a_year_before as materialized (
    select asked.period, held.cik, held.value, held.numerator, held.denominator
    from asked cross join lateral frame_known(%(metric)s, asked.year_before, %(unit)s, %(as_of)s) as held
    where %(growth)s
),
earlier as materialized (
    select * from a_year_before
    union all
    -- What a company was counts for it where it has no value of its own; where it has one, nobody else does.
    select held.period, line.successor, sum(held.value),
        case when count(*) = count(held.numerator) then sum(held.numerator) end,
        case when count(*) = count(held.denominator) then sum(held.denominator) end
    from a_year_before as held join company_successor as line using (cik)
    group by held.period, line.successor
),
expected as materialized (
    select asked.period, held.cik, bool_or(calendar.metric = %(metric)s) as is_stated, max(held.known_from) as known_from
    from asked
    cross join unnest(%(calendar_metrics)s::text[]) as calendar (metric)
    -- The offset keeps each metric and period a look of its own at the indexes.
    cross join lateral (
        select cik, known_from from metric_value
        where metric = calendar.metric and period = asked.period and known_from <= coalesce(%(as_of)s, 'infinity')
            and (known_to is null or known_to > %(as_of)s)
        offset 0
    ) as held
    where %(coverage)s
    group by asked.period, held.cik
),
counted as (
    select standing.period, standing.cik, standing.value, standing.numerator, standing.denominator,
        standing.known_from, earlier.value as value_before, earlier.numerator as numerator_before,
        earlier.denominator as denominator_before, true as is_stated
    from standing left join earlier on earlier.period = standing.period and earlier.cik = standing.cik
    union all
    select expected.period, expected.cik, null, null, null, expected.known_from, null, null, null, expected.is_stated
    from expected
    where not exists (select from standing where standing.period = expected.period and standing.cik = expected.cik)
        -- Who goes on as another is one company with it.
        and not exists (
            select from company_successor as line
            join expected as other on other.period = expected.period and other.cik = line.successor
            where line.cik = expected.cik
        )
        and not exists (
            select from company_successor as line
            join standing as other on other.period = expected.period and other.cik = line.cik
            where line.successor = expected.cik
        )
),
classed as (
    select counted.*, group_key(class, %(group_by)s) as group_key,
        (%(then)s or value is null) and coalesce(company_kind(class.sic) = any(string_to_array(%(not_for)s, ' ')), false)
            as makes_no_sense
    from counted
    cross join lateral class_{members}(counted.cik, coalesce(%(as_of)s, counted.known_from), '') as class
),
placed as materialized (
    select * from classed
    where group_key is not null and (%(groups)s::text[] is null or group_key = any(%(groups)s))
),
gathered as (
    select period, group_key, count(*)::integer as n, sum(value) as sum, sum(value * value) as sum_of_squares,
        sum(numerator) as numerator, sum(denominator) as denominator,
        array_agg(value order by value, cik) as ascending, array_agg(cik order by value, cik) as ciks,
        sum(value) filter (where value_before is not null) as sum_of_both, sum(value_before) as sum_before,
        sum(numerator) filter (where numerator_before is not null) as numerator_of_both,
        sum(denominator) filter (where denominator_before is not null) as denominator_of_both,
        sum(numerator_before) filter (where numerator is not null) as numerator_before,
        sum(denominator_before) filter (where denominator is not null) as denominator_before
    from placed
    where value is not null and not makes_no_sense
    group by period, group_key
),
covered as (
    select period, group_key, count(*)::integer as expected,
        count(*) filter (where makes_no_sense)::integer as not_applicable,
        count(*) filter (where value is null and is_stated and not makes_no_sense)::integer as other_unit
    from placed
    where %(coverage)s
    group by period, group_key
)
select %(metric)s as metric, period, %(group_by)s as group_by, group_key, %(unit)s as unit, coalesce(n, 0) as n, sum,
    sum_of_squares, round((sum + 0.000000000000000000000000000000) / n, 12) as mean, ascending[1] as min,
    percentile(ascending, 10) as p10, percentile(ascending, 25) as p25, percentile(ascending, 50) as median,
    percentile(ascending, 75) as p75, percentile(ascending, 90) as p90, ascending[n] as max, numerator, denominator,
    coalesce(ciks[:%(shown)s], '{}') as bottom_ciks, coalesce(ascending[:%(shown)s], '{}') as bottom_values,
    coalesce(array_reverse(ciks[n - %(shown)s + 1:]), '{}') as top_ciks,
    coalesce(array_reverse(ascending[n - %(shown)s + 1:]), '{}') as top_values,
    sum_of_both, sum_before, numerator_of_both, denominator_of_both, numerator_before, denominator_before, expected, not_applicable, other_unit
from gathered full join covered using (period, group_key)
order by period, group_key;
