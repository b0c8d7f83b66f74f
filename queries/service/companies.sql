-- name: by_cik
-- Companies by CIK (primary key); parked: events of its stream wait (parked, by name, version and stream).
select wanted.reference, 'cik' as by, c.cik, c.name, c.tickers, c.sic, c.sector, c.industry, c.major_group,
       c.country, c.size_class, c.latest_fiscal_year_end,
       (
           select p.position from projections.parked p
           where p.name = 'figures' and p.version = %(version)s and p.stream = 'company-' || c.cik
           limit 1
       ) is not null as parked
from unnest(%(references)s::text[], %(ciks)s::bigint[]) as wanted (reference, cik)
join company c on c.cik = wanted.cik;

-- name: by_name
-- Every company a name may mean: by ticker (company_tickers), by name (company_name), by a name it had
-- (company_former_name_name); parked as above.
select meant.*, (
           select p.position from projections.parked p
           where p.name = 'figures' and p.version = %(version)s and p.stream = 'company-' || meant.cik
           limit 1
       ) is not null as parked
from (
    select w.reference, 'ticker' as by, c.cik, c.name, c.tickers, c.sic, c.sector, c.industry, c.major_group,
           c.country, c.size_class, c.latest_fiscal_year_end
    from unnest(%(references)s::text[]) as w (reference)
    join company c on c.tickers && array[upper(w.reference), replace(upper(w.reference), '.', '-')]
    union all
    select w.reference, 'name', c.cik, c.name, c.tickers, c.sic, c.sector, c.industry, c.major_group,
           c.country, c.size_class, c.latest_fiscal_year_end
    from unnest(%(references)s::text[]) as w (reference)
    join company c on lower(c.name) = lower(w.reference)
    union all
    select distinct w.reference, 'former name', c.cik, c.name, c.tickers, c.sic, c.sector, c.industry, c.major_group,
           c.country, c.size_class, c.latest_fiscal_year_end
    from unnest(%(references)s::text[]) as w (reference)
    join company_former_name f on lower(f.name) = lower(w.reference)
    join company c on c.cik = f.cik
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
-- Companies by ticker, name or CIK prefix, best fit first: 0 whole ticker, 1 ticker, 2 name or CIK, 3 a later word,
-- 4 a name it had. Both tables are read whole.
select * from (
    select company.cik, company.name, tickers, sic, sector, industry, major_group, country, size_class,
           latest_fiscal_year_end,
           lower(company.name) as sort_name, former.name as former_name,
           case
               when %(text)s = '' then 2
               when exists (select from unnest(tickers) t where lower(t) = %(text)s) then 0
               when exists (select from unnest(tickers) t where starts_with(lower(t), %(text)s)) then 1
               when starts_with(lower(company.name), %(text)s) or starts_with(company.cik::text, %(digits)s) then 2
               when position(' ' || %(text)s in lower(company.name)) > 0 then 3
               when former.name is not null then 4
           end as rank
    from company
    left join (
        select cik, min(name) as name
        from company_former_name
        where %(text)s <> '' and position(' ' || %(text)s in ' ' || lower(name)) > 0
        group by cik
    ) as former on former.cik = company.cik
    where (%(sector)s::text is null or sector = %(sector)s) and (%(industry)s::text is null or industry = %(industry)s)
) found
where rank is not null
  and (%(after_rank)s::bigint is null or (rank, sort_name, cik) > (%(after_rank)s, %(after_name)s, %(after_cik)s))
order by rank, sort_name, cik
limit %(limit)s;

-- name: former_names
-- The names some companies had, the last one first (primary key of company_former_name).
select cik, name, until
from company_former_name
where cik = any(%(ciks)s)
order by cik, until desc nulls first, name;

-- name: as_known_at
-- What some companies were taken for at an instant (primary key of company_classification), and the newest year end an
-- annual report that counted then had shown (primary key of filing by cik).
select asked.cik, classification.sic,
       (
           select max(year_end) from filing
           where filing.cik = asked.cik and known_at <= %(as_of)s and (withdrawn_at is null or withdrawn_at > %(as_of)s)
       ) as latest_fiscal_year_end
from unnest(%(ciks)s::bigint[]) as asked (cik)
left join company_classification classification on classification.cik = asked.cik
    and classification.valid_from <= %(as_of)s
    and (classification.valid_to is null or classification.valid_to > %(as_of)s);
