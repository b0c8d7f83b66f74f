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

-- name: page
-- The companies of a page (primary key of company).
select cik, coalesce(tickers[1], name) as company, name, sector, industry, country, size_class
from company
where cik = any(%(ciks)s);

-- name: shown
-- What the companies of a page have for each figure that is shown (frame_known by company).
select asked.figure, held.cik, held.value, held.accession
from unnest(%(figures)s::integer[], %(metrics)s::text[], %(periods)s::text[], %(units)s::text[])
    as asked (figure, metric, period, unit)
cross join lateral frame_known(asked.metric, asked.period, asked.unit, %(as_of)s) as held
where held.cik = any(%(ciks)s);
