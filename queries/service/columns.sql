-- name: everybody
-- What companies stand for (frame_value_order). Two lists are read several times sooner than rows.
select coalesce(array_agg(cik), '{}') as ciks, coalesce(array_agg(value), '{}') as values
from (select cik, value from frame(%(metric)s, %(period)s) order by value, cik) as ascending;

-- name: everybody_as_of
-- The same as it stood at an instant (frame_as_of).
select coalesce(array_agg(cik), '{}') as ciks, coalesce(array_agg(value), '{}') as values
from (
    select cik, value from frame_as_of(%(metric)s, %(period)s, %(unit)s, %(as_of)s) order by value, cik
) as ascending;

-- name: groups
-- Who is in which group of a kind today (company, all of it).
select key, array_agg(cik) as ciks
from (select cik, group_key(company, %(group_by)s) as key from company) as grouped
where key is not null
group by key;
