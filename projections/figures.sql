-- name: companies
-- Index: company primary key.
select cik, name_as_filed, sic, country, tickers, latest_fiscal_year_end
from company where cik = any(%(ciks)s)

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

-- name: filings
-- Index: filing primary key.
select filing.cik, filing.accession, form, filed_on, accepted_at, withdrawn_at, source, fact_count, position
from filing
join unnest(%(cik)s::bigint[], %(accession)s::text[]) as wanted (cik, accession)
    on filing.cik = wanted.cik and filing.accession = wanted.accession

-- name: companies_with_filings
select cik from unnest(%(ciks)s::bigint[]) as wanted (cik)
where exists (select from filing where filing.cik = wanted.cik)

-- name: upsert_filings
insert into filing
    (cik, accession, form, filed_on, accepted_at, known_at, withdrawn_at, source, fact_count, position)
select * from unnest(
    %(cik)s::bigint[], %(accession)s::text[], %(form)s::text[], %(filed_on)s::date[], %(accepted_at)s::timestamptz[],
    %(known_at)s::timestamptz[], %(withdrawn_at)s::timestamptz[], %(source)s::text[], %(fact_count)s::integer[],
    %(position)s::bigint[]
) as row (cik, accession) order by cik, accession
on conflict (cik, accession) do update set
    form = excluded.form, filed_on = excluded.filed_on, accepted_at = excluded.accepted_at,
    known_at = excluded.known_at, withdrawn_at = excluded.withdrawn_at, source = excluded.source,
    fact_count = excluded.fact_count, position = excluded.position

-- name: acceptances
select acceptance.cik, acceptance.accession, accepted_at
from acceptance
join unnest(%(cik)s::bigint[], %(accession)s::text[]) as wanted (cik, accession)
    on acceptance.cik = wanted.cik and acceptance.accession = wanted.accession

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

-- name: copies_in_windows
-- The relevant copies of one company that end inside some windows. Index: fact primary key (cik, period_end).
select fact.concept, fact.unit, fact.period_start, fact.period_end, fact.duration_days, fact.value,
    filing.known_at, filing.withdrawn_at, fact.accession, filing.form
from unnest(%(low)s::date[], %(high)s::date[]) as span (low, high)
join fact on fact.cik = %(cik)s and fact.period_end between span.low and span.high
join filing on filing.cik = fact.cik and filing.accession = fact.accession
where fact.concept = any(%(concepts)s)

-- name: values_in_windows
-- Index: metric_value primary key, by company.
select metric, period_type, period, period_start, period_end, duration_days, calendar_offset, revision,
    known_from, known_to, value, unit, accession, concept, flags
from unnest(%(low)s::date[], %(high)s::date[]) as span (low, high)
join metric_value on metric_value.cik = %(cik)s and period_end between span.low and span.high

-- name: delete_values
delete from metric_value
using unnest(%(metric)s::text[], %(period_end)s::date[], %(duration_days)s::integer[], %(revision)s::integer[])
    as gone (metric, period_end, duration_days, revision)
where metric_value.cik = %(cik)s and metric_value.metric = gone.metric
    and metric_value.period_end = gone.period_end and metric_value.duration_days = gone.duration_days
    and metric_value.revision = gone.revision

-- name: copy_values
copy metric_value (cik, metric, period_type, period, period_start, period_end, duration_days, calendar_offset,
    revision, known_from, known_to, value, unit, accession, concept, flags) from stdin

-- name: copy_dirty_groups
copy dirty_group (metric, period, group_by, group_key) from stdin

-- name: mark_all_cells_dirty
-- Every aggregated cell a company stands in, for each of the groups named.
insert into dirty_group (metric, period, group_by, group_key)
select distinct metric, period, groups.group_by, groups.group_key
from metric_value, unnest(%(group_by)s::text[], %(group_key)s::text[]) as groups (group_by, group_key)
where cik = %(cik)s and known_to is null and (period_type = 'annual' or period like '%%Q4I')
