-- name: upsert_companies
insert into company (cik, name, name_as_filed, sic, sector, industry, country, tickers, latest_fiscal_year_end)
select cik, name, name_as_filed, sic, sector, sic, country, string_to_array(tickers, ' '), latest_fiscal_year_end
from unnest(
    %(cik)s::bigint[], %(name)s::text[], %(name_as_filed)s::text[], %(sic)s::text[], %(sector)s::text[],
    %(country)s::text[], %(tickers)s::text[], %(latest_fiscal_year_end)s::date[]
) as row (cik, name, name_as_filed, sic, sector, country, tickers, latest_fiscal_year_end)
order by cik
on conflict (cik) do update set
    name = excluded.name, name_as_filed = excluded.name_as_filed, sic = excluded.sic, sector = excluded.sector,
    industry = excluded.industry, country = excluded.country, tickers = excluded.tickers,
    latest_fiscal_year_end = excluded.latest_fiscal_year_end

-- name: upsert_link
insert into company_link (cik, predecessor_cik, effective_on)
values (%(cik)s, %(predecessor_cik)s, %(effective_on)s)
on conflict (cik, predecessor_cik) do update set effective_on = excluded.effective_on

-- name: upsert_filings
insert into filing
    (cik, accession, form, filed_on, accepted_at, known_at, withdrawn_at, period_end, source, fact_count, position)
select * from unnest(
    %(cik)s::bigint[], %(accession)s::text[], %(form)s::text[], %(filed_on)s::date[], %(accepted_at)s::timestamptz[],
    %(known_at)s::timestamptz[], %(withdrawn_at)s::timestamptz[], %(period_end)s::date[], %(source)s::text[],
    %(fact_count)s::integer[], %(position)s::bigint[]
) as row (cik, accession) order by cik, accession
on conflict (cik, accession) do update set
    form = excluded.form, filed_on = excluded.filed_on, accepted_at = excluded.accepted_at,
    known_at = excluded.known_at, withdrawn_at = excluded.withdrawn_at, period_end = excluded.period_end,
    source = excluded.source, fact_count = excluded.fact_count, position = excluded.position

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

-- name: mark_all_cells_dirty
-- Every aggregated cell a company stands in, for each of the groups named.
insert into dirty_group (metric, period, group_by, group_key)
select distinct metric, period, groups.group_by, groups.group_key
from metric_value, unnest(%(group_by)s::text[], %(group_key)s::text[]) as groups (group_by, group_key)
where cik = %(cik)s and known_to is null and (period_type = 'annual' or period like '%%Q4I')
