-- name: companies
-- How many companies there are.
select count(*) as companies from company;

-- name: latest_year
-- The latest year up to %(year)s for which companies have the metric, and at least half as many as for the year before;
-- null where there is none in sixty years. It looks back a year at a time (frame_value_order).
with recursive back (year, companies, before) as (
    select %(year)s::integer,
        (select count(*) from frame_known(%(metric)s, 'CY' || %(year)s || %(ending)s, %(unit)s, %(as_of)s)),
        (select count(*) from frame_known(%(metric)s, 'CY' || %(year)s - 1 || %(ending)s, %(unit)s, %(as_of)s))
    union all
    select back.year - 1, back.before,
        (select count(*) from frame_known(%(metric)s, 'CY' || back.year - 2 || %(ending)s, %(unit)s, %(as_of)s))
    from back
    where 2 * back.companies < greatest(back.before, 1) and back.year > %(year)s - 60
)
select (select year from back where 2 * companies >= greatest(before, 1)) as year;

-- name: passing_number
-- Who has a figure, and whose passes when held against numbers; of a standing also what it is (measured).
select count(*) as having, coalesce(array_agg(cik) filter (where passes), '{}') as passing,
    coalesce(array_agg(value::text) filter (where passes and %(measure)s::text is not null), '{}') as standings
from (
    select cik, value, case %(sign)s
        when '<' then value < %(low)s
        when '<=' then value <= %(low)s
        when '>' then value > %(low)s
        when '>=' then value >= %(low)s
        when '=' then value = %(low)s
        when '!=' then value <> %(low)s
        when 'between' then value between %(low)s and %(high)s
    end as passes
    from measured(%(metric)s, %(period)s, %(unit)s, %(as_of)s, %(measure)s, %(group_by)s)
) as tested;

-- name: passing_figure
-- Who has two figures, and whose pass when held against each other (frame_known).
select count(*) as having, coalesce(array_agg(cik) filter (where case %(sign)s
        when '<' then own.value < other.value
        when '<=' then own.value <= other.value
        when '>' then own.value > other.value
        when '>=' then own.value >= other.value
        when '=' then own.value = other.value
        when '!=' then own.value <> other.value
    end), '{}') as passing
from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as own
join frame_known(%(other_metric)s, %(other_period)s, %(unit)s, %(as_of)s) as other using (cik);

-- name: passing_group
-- Who is in a group of a kind, who in one of those named, and which groups there are (company, all of it).
select count(key) as having,
    coalesce(array_agg(cik) filter (where (lower(key) = any(%(keys)s)) = %(inside)s), '{}') as passing,
    coalesce(array_agg(distinct key) filter (where key is not null), '{}') as keys
from (select cik, group_key(company, %(group_by)s) as key from company) as grouped;

-- name: page
-- A page of companies in the order of a figure, those without one last (measured; primary key of company). `direction`
-- is 1 or -1: one order and its exact reverse.
select company.cik, coalesce(company.tickers[1], company.name) as company, company.name, company.sector,
       company.industry, company.country, company.size_class, placed.absent, placed.place
from (
    select *
    from (
        select matching.cik, (measured.value is null)::integer as absent,
               coalesce(measured.value, 0) * %(direction)s as place
        from unnest(%(ciks)s::bigint[]) as matching (cik)
        left join measured(%(metric)s, %(period)s, %(unit)s, %(as_of)s, %(measure)s, %(group_by)s) using (cik)
    ) as found
    where %(after_cik)s::bigint is null
        or (absent, place, cik * %(direction)s) > (%(after_absent)s, %(after_place)s, %(after_cik)s * %(direction)s)
    order by absent, place, cik * %(direction)s
    limit %(limit)s
) as placed
join company using (cik)
order by placed.absent, placed.place, placed.cik * %(direction)s;

-- name: shown
-- What the companies of a page have for each figure that is shown (measured; primary key of frame_value).
select asked.figure, held.cik, held.value, held.accession
from unnest(%(figures)s::integer[], %(metrics)s::text[], %(periods)s::text[], %(units)s::text[])
    as asked (figure, metric, period, unit)
cross join lateral frame_known(asked.metric, asked.period, asked.unit, %(as_of)s) as held
where held.cik = any(%(ciks)s);

-- name: shown_standing
-- The same for one standing.
select cik, value from measured(%(metric)s, %(period)s, %(unit)s, %(as_of)s, %(measure)s, %(group_by)s)
where cik = any(%(ciks)s);
