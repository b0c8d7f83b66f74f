-- name: page_ascending
-- One page of the companies that have a value, in ascending order: chosen by what frame_value_order holds, then shown
-- (frame_known and class_{members} by company).
with page as materialized (
    select * from (
        select cik, company,
               case when %(sort)s = 'company' then lower(company) else '' end as sort_text,
               case when %(sort)s = 'value' then value else 0 end as sort_number
        from (
            select company.cik, coalesce(company.tickers[1], company.name) as company, held.value
            from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held
            join company using (cik)
            cross join lateral class_{members}(held.cik, coalesce(%(as_of)s, held.known_from), %(not_for)s) as class
            where group_key(class, %(group_by)s) = %(group)s
        ) as member
    ) as sorted
    where %(after_cik)s::bigint is null
        or (sort_text, sort_number, cik) > (%(after_text)s::text, %(after_number)s::numeric, %(after_cik)s::bigint)
    order by sort_text, sort_number, cik
    limit %(limit)s
)
select page.*, group_key(class, 'sector') as sector, group_key(class, 'industry') as industry, shown.period_end,
       shown.value, shown.accession, shown.known_from, shown.flags
from page
cross join lateral (
    select * from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held where held.cik = page.cik limit 1
) as shown
cross join lateral class_{members}(page.cik, coalesce(%(as_of)s, shown.known_from), %(not_for)s) as class
order by sort_text, sort_number, cik;

-- name: page_descending
-- The exact reverse of page_ascending.
with page as materialized (
    select * from (
        select cik, company,
               case when %(sort)s = 'company' then lower(company) else '' end as sort_text,
               case when %(sort)s = 'value' then value else 0 end as sort_number
        from (
            select company.cik, coalesce(company.tickers[1], company.name) as company, held.value
            from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held
            join company using (cik)
            cross join lateral class_{members}(held.cik, coalesce(%(as_of)s, held.known_from), %(not_for)s) as class
            where group_key(class, %(group_by)s) = %(group)s
        ) as member
    ) as sorted
    where %(after_cik)s::bigint is null
        or (sort_text, sort_number, cik) < (%(after_text)s::text, %(after_number)s::numeric, %(after_cik)s::bigint)
    order by sort_text desc, sort_number desc, cik desc
    limit %(limit)s
)
select page.*, group_key(class, 'sector') as sector, group_key(class, 'industry') as industry, shown.period_end,
       shown.value, shown.accession, shown.known_from, shown.flags
from page
cross join lateral (
    select * from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held where held.cik = page.cik limit 1
) as shown
cross join lateral class_{members}(page.cik, coalesce(%(as_of)s, shown.known_from), %(not_for)s) as class
order by sort_text desc, sort_number desc, cik desc;
