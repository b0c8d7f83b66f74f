-- name: companies
-- How many companies there are.
select count(*) as companies from company;

-- name: latest_year
-- The latest year up to %(year)s for which companies have the metric, and at least half as many as for the year before;
-- null where there is none in sixty years. It looks back a year at a time (frame_value_order, and as of an instant
-- class_{members} of each).
with recursive back (year, companies, before) as (
    select %(year)s::integer,
        (
            select count(*) from frame_known(%(metric)s, 'CY' || %(year)s || %(ending)s, %(unit)s, %(as_of)s) as held
            where %(as_of)s::timestamptz is null or exists (select from class_{members}(held.cik, %(as_of)s, %(not_for)s))
        ),
        (
            select count(*) from frame_known(%(metric)s, 'CY' || %(year)s - 1 || %(ending)s, %(unit)s, %(as_of)s) as held
            where %(as_of)s::timestamptz is null or exists (select from class_{members}(held.cik, %(as_of)s, %(not_for)s))
        )
    union all
    select back.year - 1, back.before,
        (
            select count(*)
            from frame_known(%(metric)s, 'CY' || back.year - 2 || %(ending)s, %(unit)s, %(as_of)s) as held
            where %(as_of)s::timestamptz is null or exists (select from class_{members}(held.cik, %(as_of)s, %(not_for)s))
        )
    from back
    where 2 * back.companies < greatest(back.before, 1) and back.year > %(year)s - 60
)
select (select year from back where 2 * companies >= greatest(before, 1)) as year;

-- name: page
-- The companies of a page (primary keys of company and of what class_{members} reads).
select company.cik, coalesce(company.tickers[1], company.name) as company, company.name,
       group_key(class, 'sector') as sector, group_key(class, 'industry') as industry, class.country, class.size_class
from company
cross join lateral class_{members}(company.cik, %(as_of)s, '') as class
where company.cik = any(%(ciks)s);

-- name: shown
-- What the companies of a page count with for each figure that is shown (frame_known by company).
select asked.figure, held.cik, held.value, held.accession
from unnest(%(figures)s::integer[], %(metrics)s::text[], %(periods)s::text[], %(units)s::text[], %(not_for)s::text[])
    as asked (figure, metric, period, unit, not_for)
cross join lateral frame_known(asked.metric, asked.period, asked.unit, %(as_of)s) as held
where held.cik = any(%(ciks)s)
    and (
        %(as_of)s::timestamptz is null
        or exists (select from class_{members}(held.cik, %(as_of)s, asked.not_for))
    );
