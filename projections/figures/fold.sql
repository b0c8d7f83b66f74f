-- name: upsert_companies
insert into company (cik, name, name_as_filed, sic, sector, industry, country, size_class, tickers)
select cik, name, name_as_filed, sic, sector, sic, country, size_class, string_to_array(tickers, ' ')
from unnest(
    %(cik)s::bigint[], %(name)s::text[], %(name_as_filed)s::text[], %(sic)s::text[], %(sector)s::text[],
    %(country)s::text[], %(size_class)s::text[], %(tickers)s::text[]
) as row (cik, name, name_as_filed, sic, sector, country, size_class, tickers)
order by cik
on conflict (cik) do update set
    name = excluded.name, name_as_filed = excluded.name_as_filed, sic = excluded.sic, sector = excluded.sector,
    industry = excluded.industry, country = excluded.country, size_class = excluded.size_class,
    tickers = excluded.tickers

-- name: replace_former_names
-- Those that are named no more go; the rest stands or is written anew.
with stated as (
    select * from unnest(%(cik)s::bigint[], %(name_as_filed)s::text[], %(name)s::text[], %(until)s::date[])
        as row (cik, name_as_filed, name, until)
), gone as (
    delete from company_former_name
    where cik = any(%(ciks)s) and not exists (
        select from stated
        where stated.cik = company_former_name.cik and stated.name_as_filed = company_former_name.name_as_filed
    )
)
insert into company_former_name (cik, name_as_filed, name, until)
select cik, name_as_filed, name, until from stated order by cik, name_as_filed
on conflict (cik, name_as_filed) do update set name = excluded.name, until = excluded.until

-- name: delete_classifications
delete from company_classification where cik = any(%(ciks)s)

-- name: insert_classifications
-- Each holds until the next one of its company.
insert into company_classification (cik, valid_from, valid_to, sic, country, size_class)
select cik, valid_from, lead(valid_from) over (partition by cik order by valid_from), sic, country, size_class
from (
    select cik, coalesce(valid_from, '-infinity') as valid_from, sic, country, size_class
    from unnest(
        %(cik)s::bigint[], %(valid_from)s::timestamptz[], %(sic)s::text[], %(country)s::text[], %(size_class)s::text[]
    ) as row (cik, valid_from, sic, country, size_class)
) as history
order by cik, valid_from

-- name: upsert_link
insert into company_link (cik, predecessor_cik, effective_on)
values (%(cik)s, %(predecessor_cik)s, %(effective_on)s)
on conflict (cik, predecessor_cik) do update set effective_on = excluded.effective_on

-- name: count_filings
insert into filing_count values (%(filings)s)

-- name: copy_filings
copy filing (cik, accession, form, filed_on, accepted_at, known_at, withdrawn_at, period_end, year_end, source,
    fact_count, position) from stdin

-- name: update_filings
update filing set
    form = row.form, filed_on = row.filed_on, accepted_at = row.accepted_at, known_at = row.known_at,
    withdrawn_at = row.withdrawn_at, period_end = row.period_end, year_end = row.year_end, source = row.source,
    fact_count = row.fact_count, position = row.position
from unnest(
    %(cik)s::bigint[], %(accession)s::text[], %(form)s::text[], %(filed_on)s::date[], %(accepted_at)s::timestamptz[],
    %(known_at)s::timestamptz[], %(withdrawn_at)s::timestamptz[], %(period_end)s::date[], %(year_end)s::date[],
    %(source)s::text[], %(fact_count)s::integer[], %(position)s::bigint[]
) as row (cik, accession, form, filed_on, accepted_at, known_at, withdrawn_at, period_end, year_end, source, fact_count,
    position)
where filing.cik = row.cik and filing.accession = row.accession

-- name: update_fiscal_years
-- The newest year end an annual report that counts has shown. Index: filing primary key, by company.
update company set latest_fiscal_year_end = shown.year_end
from (
    select cik, (select max(year_end) from filing where filing.cik = asked.cik and withdrawn_at is null) as year_end
    from unnest(%(ciks)s::bigint[]) as asked (cik)
) as shown
where company.cik = shown.cik and company.latest_fiscal_year_end is distinct from shown.year_end

-- name: upsert_acceptances
insert into acceptance (cik, accession, accepted_at)
select * from unnest(%(cik)s::bigint[], %(accession)s::text[], %(accepted_at)s::timestamptz[])
    as row (cik, accession) order by cik, accession
on conflict (cik, accession) do update set accepted_at = excluded.accepted_at

-- name: relevant_ends_of_filings
-- Index: fact primary key, by company.
select distinct fact.cik, fact.period_end
from fact
join unnest(%(cik)s::bigint[], %(accession)s::text[]) as wanted (cik, accession)
    on fact.cik = wanted.cik and fact.accession = wanted.accession
where fact.concept = any(%(concepts)s)

-- name: delete_facts_of_filings
delete from fact using unnest(%(cik)s::bigint[], %(accession)s::text[]) as gone (cik, accession)
where fact.cik = gone.cik and fact.accession = gone.accession

-- name: copy_facts
copy fact (cik, concept, unit, period_start, period_end, duration_days, accession, value) from stdin
