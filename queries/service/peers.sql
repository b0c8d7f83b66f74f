-- name: nearest
-- The companies of a group that are nearest in size, by how many times one is the other: chosen by what
-- frame_value_order holds, then shown (frame_known by company).
with nearest as materialized (
    select held.cik, held.value, greatest(held.value, %(own)s::numeric) / least(held.value, %(own)s) as times
    from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held
    cross join lateral class_{members}(held.cik, coalesce(%(as_of)s, held.known_from), %(not_for)s) as class
    where group_key(class, %(group_by)s) = %(group)s and held.value > 0 and held.cik <> %(cik)s
    order by times, held.cik
    limit %(limit)s
)
select coalesce(company.tickers[1], company.name) as company, nearest.cik, nearest.value, shown.period_end,
       shown.accession, shown.flags
from nearest
join company using (cik)
cross join lateral (
    select * from frame_known(%(metric)s, %(period)s, %(unit)s, %(as_of)s) as held where held.cik = nearest.cik limit 1
) as shown
order by nearest.times, nearest.cik;
