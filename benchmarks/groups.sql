-- name: companies
-- Filers spread over 400 industries, 30 countries (most in one) and four size classes.
insert into company (cik, name, name_as_filed, sic, sector, industry, country, size_class, tickers)
select 9200000 + n, 'Company ' || n, 'Company ' || n, sic, sector, sic, country, size_class, array['C' || n]
from (
    select n, lpad(((abs(hashint8(n)) %% 80) * 100 + 110 + abs(hashint8(n + 7)) %% 5 * 10)::text, 4, '0') as sic,
        (array['mining', 'manufacturing', 'retail-trade', 'finance', 'services'])[1 + abs(hashint8(n)) %% 80 / 16] as sector,
        case when n %% 5 < 4 then 'US' else 'C' || chr(65 + abs(hashint8(n)) %% 26) end as country,
        (array['large_accelerated', 'accelerated', 'non_accelerated', 'smaller_reporting'])[1 + n %% 4] as size_class
    from generate_series(1, %(companies)s) as n
) as made

-- name: classifications
-- Every company is today what it always was.
insert into company_classification (cik, valid_from, sic, country, size_class)
select cik, '-infinity', sic, country, size_class from company

-- name: values
-- Every metric of every company in every period of its kind, three fifths of them. They lie as a fold writes them: company
-- by company, metric by metric, kind by kind.
insert into metric_value (cik, metric, period_type, period, period_start, period_end, duration_days, calendar_offset,
    revision, known_from, value, unit, accession, concept, numerator, denominator)
select 9200000 + n, metric.key, period.period_type, period.label, null, period.last_day, period.days, 0, 0,
    (period.last_day + 45)::timestamptz,
    case when metric.unit = 'USD' then base * 1000 else base / 1000000.0 end, metric.unit,
    lpad((9200000 + n)::text, 10, '0') || '-00-000001', null,
    case when metric.is_ratio then base end, case when metric.is_ratio then 1000000 end
from generate_series(%(first)s::integer, %(last)s) as n
cross join unnest(%(key)s::text[], %(over)s::text[], %(unit)s::text[], %(is_ratio)s::boolean[])
    as metric (key, over, unit, is_ratio)
cross join lateral (
    select * from period where period.over = metric.over order by period_type, last_day offset 0
) as period
cross join lateral (
    select abs(hashtextextended(metric.key || period.label, n)) %% 100000000 as base
) as drawn
where base %% 5 < 3

-- name: periods
create unlogged table period as
select 'duration' as over, 'annual' as period_type, 'CY' || year as label, make_date(year, 12, 31) as last_day, 365 as days
from generate_series(2011, 2025) as year
union all
select kind.over, kind.period_type, 'CY' || year || 'Q' || quarter || kind.suffix,
    make_date(year + quarter / 4, quarter % 4 * 3 + 1, 1) - 1, kind.days
from generate_series(2011, 2025) as year, generate_series(1, 4) as quarter,
    (values ('duration', 'quarterly', '', 91), ('duration', 'ttm', 'TTM', 365), ('instant', 'instant', 'I', 0))
        as kind (over, period_type, suffix, days)

-- name: plain_pass
-- The baseline: one pass over the same rows with the statistics SQL has ready, in double precision.
copy (
    select value.metric, value.period, place.group_by, place.group_key, count(*), sum(value.value), avg(value.value),
        min(value.value), max(value.value),
        percentile_cont(array[0.1, 0.25, 0.5, 0.75, 0.9]) within group (order by value.value::float8)
    from metric_value as value
    join company on company.cik = value.cik
    cross join lateral (
        values ('all', 'all'), ('sector', company.sector), ('major_group', company.major_group),
            ('industry', company.industry), ('country', company.country), ('size_class', company.size_class)
    ) as place (group_by, group_key)
    where value.known_to is null
    group by value.metric, value.period, place.group_by, place.group_key
) to stdout

-- name: file_anew
-- A company's newest year is stated anew: its values change, and with them every group it is in.
with changed as (
    update metric_value set value = value + 1, known_from = clock_timestamp()
    where cik = %(cik)s and period in ('CY2025', 'CY2025Q4', 'CY2025Q4TTM', 'CY2025Q4I')
    returning metric, period, cik
)
insert into dirty_cell (metric, period, cik) select metric, period, cik from changed

-- name: vacuuming
select count(*) from pg_stat_activity where backend_type = 'autovacuum worker'

-- name: companies_asked_about
select cik from frame_value where metric = 'revenue' and period = 'CY2025' order by cik limit 100

-- name: members
select member.value from frame(%(metric)s, %(period)s) as member join company using (cik)
where company.sector = %(sector)s order by 1

-- name: held
select n, sum, median, p90 from group_aggregate
where metric = %(metric)s and period = %(period)s and group_by = 'sector' and group_key = %(sector)s

-- name: sizes
select pg_total_relation_size('metric_value') as values, pg_total_relation_size('frame_value') as frames,
    pg_total_relation_size('group_aggregate') as aggregates,
    (select count(*) from metric_value) as value_rows, (select count(*) from group_aggregate) as group_rows
