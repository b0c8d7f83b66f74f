-- name: page
-- One page of a group with what it takes to number each row: chosen by what frame_value_order holds, then shown
-- (frame_known by company). `direction` is 1 or -1: one order and its exact reverse.
with page as materialized (
    select * from (
        select held.cik, held.value, count(*) over () as n, rank() over (order by held.value) - 1 as below,
               count(*) over (order by held.value) as not_larger
        from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held
        cross join lateral class_{members}(held.cik, coalesce(%(as_of)s, held.known_from), %(not_for)s) as class
        where group_key(class, %(group_by)s) = %(group)s
    ) as numbered
    where %(after_cik)s::bigint is null or (value * %(direction)s, cik * %(direction)s) >
        (%(after_value)s::numeric * %(direction)s, %(after_cik)s::bigint * %(direction)s)
    order by value * %(direction)s, cik * %(direction)s
    limit %(limit)s
)
select coalesce(company.tickers[1], company.name) as company, page.*, shown.period_end, shown.accession,
       shown.known_from, shown.flags
from page
join company using (cik)
cross join lateral (
    select * from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held where held.cik = page.cik limit 1
) as shown
order by page.value * %(direction)s, page.cik * %(direction)s;

-- name: of_companies
-- What some companies of a group have in a cell (primary keys of frame_value and company).
select coalesce(company.tickers[1], company.name) as company, cik, held.period_end, held.value, held.accession,
       held.known_from, held.flags
from frame(%(metric)s, %(period)s) as held
join company using (cik)
where cik = any(%(ciks)s) and group_key(company, %(group_by)s) = %(group)s;
