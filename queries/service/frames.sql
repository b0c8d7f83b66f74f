-- name: page_ascending
-- One page of the companies that have a value, in ascending order (metric_value_frame, all of one metric and period).
select * from (
    select coalesce(company.tickers[1], company.name) as company, cik, company.sector, company.industry,
           held.period_end, held.value, held.accession, held.known_from, held.flags,
           case when %(sort)s = 'company' then lower(coalesce(company.tickers[1], company.name)) else '' end
               as sort_text,
           case when %(sort)s = 'value' then held.value else 0 end as sort_number
    from (
        select * from frame(%(metric)s, %(period)s, %(unit)s) where %(as_of)s::timestamptz is null
        union all
        select * from frame_as_of(%(metric)s, %(period)s, %(unit)s, %(as_of)s) where %(as_of)s::timestamptz is not null
    ) as held
    join company using (cik)
    where group_key(company, %(group_by)s) = %(group)s
) as found
where %(after_cik)s::bigint is null
    or (sort_text, sort_number, cik) > (%(after_text)s::text, %(after_number)s::numeric, %(after_cik)s::bigint)
order by sort_text, sort_number, cik
limit %(limit)s;

-- name: page_descending
-- The exact reverse of page_ascending.
select * from (
    select coalesce(company.tickers[1], company.name) as company, cik, company.sector, company.industry,
           held.period_end, held.value, held.accession, held.known_from, held.flags,
           case when %(sort)s = 'company' then lower(coalesce(company.tickers[1], company.name)) else '' end
               as sort_text,
           case when %(sort)s = 'value' then held.value else 0 end as sort_number
    from (
        select * from frame(%(metric)s, %(period)s, %(unit)s) where %(as_of)s::timestamptz is null
        union all
        select * from frame_as_of(%(metric)s, %(period)s, %(unit)s, %(as_of)s) where %(as_of)s::timestamptz is not null
    ) as held
    join company using (cik)
    where group_key(company, %(group_by)s) = %(group)s
) as found
where %(after_cik)s::bigint is null
    or (sort_text, sort_number, cik) < (%(after_text)s::text, %(after_number)s::numeric, %(after_cik)s::bigint)
order by sort_text desc, sort_number desc, cik desc
limit %(limit)s;
