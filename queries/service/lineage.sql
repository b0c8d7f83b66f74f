-- name: predecessors
-- What companies filed as before they went on under their CIK, however often that happened (primary key of company_link).
with recursive line (cik, origin, before) as (
    select cik, cik, null::date from unnest(%(ciks)s::bigint[]) as asked (cik)
    union
    select line.cik, link.predecessor_cik, least(line.before, link.effective_on)
    from line
    join company_link link on link.cik = line.origin
)
select cik, origin, max(before) as before
from line
where origin <> cik
group by cik, origin
order by cik, before desc, origin;

-- name: links
-- The companies some companies were before, and those they became (company_link is small and read whole).
select link.cik, link.predecessor_cik, link.effective_on,
       coalesce(successor.tickers[1], successor.name) as successor,
       coalesce(predecessor.tickers[1], predecessor.name) as predecessor
from company_link link
join company successor on successor.cik = link.cik
join company predecessor on predecessor.cik = link.predecessor_cik
where link.cik = any(%(ciks)s) or link.predecessor_cik = any(%(ciks)s)
order by link.effective_on, link.cik, link.predecessor_cik;
