-- name: by_reference
-- Every company a reference may mean: by CIK (primary key), by ticker (company_tickers), by name (company_name);
-- parked: events of its stream wait (parked, by name, version and stream).
select meant.*, (
           select p.position from projections.parked p
           where p.name = 'figures' and p.version = %(version)s and p.stream = 'company-' || meant.cik
           limit 1
       ) is not null as parked
from (
    select w.reference, 'cik' as by, c.cik, c.name, c.tickers, c.sic, c.sector, c.industry, c.country,
           c.latest_fiscal_year_end
    from unnest(%(cik_references)s::text[], %(ciks)s::bigint[]) as w (reference, cik)
    join company c on c.cik = w.cik
    union all
    select w.reference, 'ticker', c.cik, c.name, c.tickers, c.sic, c.sector, c.industry, c.country,
           c.latest_fiscal_year_end
    from unnest(%(names)s::text[]) as w (reference)
    join company c on c.tickers && array[upper(w.reference), replace(upper(w.reference), '.', '-')]
    union all
    select w.reference, 'name', c.cik, c.name, c.tickers, c.sic, c.sector, c.industry, c.country,
           c.latest_fiscal_year_end
    from unnest(%(names)s::text[]) as w (reference)
    join company c on lower(c.name) = lower(w.reference)
) meant
order by 1, 2, 3;

-- name: near
-- Companies whose ticker or name begins like a reference that fits none.
select cik, name, tickers
from company
where lower(name) like %(prefix)s or exists (select from unnest(tickers) t where lower(t) like %(prefix)s)
order by cik
limit 200;

-- name: search
-- Companies by ticker, name or CIK prefix, best fit first: 0 whole ticker, 1 ticker, 2 name or CIK, 3 a later word.
select * from (
    select cik, name, tickers, sic, sector, industry, country, latest_fiscal_year_end, lower(name) as sort_name,
           case
               when %(text)s = '' then 2
               when exists (select from unnest(tickers) t where lower(t) = %(text)s) then 0
               when exists (select from unnest(tickers) t where starts_with(lower(t), %(text)s)) then 1
               when starts_with(lower(name), %(text)s) or starts_with(cik::text, %(digits)s) then 2
               when position(' ' || %(text)s in lower(name)) > 0 then 3
           end as rank
    from company
    where (%(sector)s::text is null or sector = %(sector)s) and (%(industry)s::text is null or industry = %(industry)s)
) found
where rank is not null
  and (%(after_rank)s::integer is null or (rank, sort_name, cik) > (%(after_rank)s, %(after_name)s, %(after_cik)s))
order by rank, sort_name, cik
limit %(limit)s;
