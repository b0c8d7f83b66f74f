-- name: splits
-- The share splits of some companies known at an instant (primary key of company_split by cik).
select cik, known_from, ratio, accession
from company_split
where cik = any(%(ciks)s) and (%(as_of)s::timestamptz is null or known_from <= %(as_of)s)
order by cik, known_from;
