-- name: everybody
-- What companies stand for (frame_value_order). Two lists are read several times sooner than rows.
select coalesce(array_agg(cik), '{}') as ciks, coalesce(array_agg(value), '{}') as values
from (select cik, value from frame(%(metric)s, %(period)s) order by value, cik) as ascending;

-- name: everybody_as_of
-- The same as it stood at an instant (frame_as_of), of those that count.
select coalesce(array_agg(cik), '{}') as ciks, coalesce(array_agg(value), '{}') as values
from (
    select held.cik, held.value
    from frame_as_of(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held
    cross join lateral class_{members}(held.cik, %(as_of)s, %(not_for)s) as class
    order by held.value, held.cik
) as ascending;

-- name: groups
-- Who is in which group of a kind (company and class_{members}, all of it).
select key, array_agg(cik) as ciks
from (
    select company.cik, group_key(class, %(group_by)s) as key
    from company
    cross join lateral class_{members}(company.cik, %(as_of)s, '') as class
) as grouped
where key is not null
group by key;
