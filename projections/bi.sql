-- The views of schema `bi`. They are made while the search path names the tables of one version, and made anew, under
-- the same names and columns, when another goes live.

-- name: schema
create schema if not exists bi;
comment on schema bi is 'Read-only views of the figures for BI tools; always those of the live version.';

-- name: role
-- Roles belong to the whole server: another database of it may have made this one.
do $$
begin
    if not exists (select from pg_roles where rolname = 'factfold_bi') then
        create role factfold_bi nologin;
        alter role factfold_bi set search_path = bi;
        alter role factfold_bi set timezone = 'UTC';
        alter role factfold_bi set default_transaction_read_only = on;
        -- Whoever holds a view open holds up the switch to a rebuilt version.
        alter role factfold_bi set statement_timeout = '60s';
        alter role factfold_bi set idle_in_transaction_session_timeout = '60s';
    end if;
exception
    when duplicate_object or unique_violation then
        null;
    when insufficient_privilege then
        raise warning 'there is no role factfold_bi and this user may not create it; see docs/bi.md';
end
$$;

-- name: role_exists
select exists (select from pg_roles where rolname = 'factfold_bi')

-- name: grant
grant usage on schema bi to factfold_bi

-- name: columns
select class.relname, attribute.attname
from pg_class as class
join pg_attribute as attribute on attribute.attrelid = class.oid and attribute.attnum > 0 and not attribute.attisdropped
where class.relnamespace = 'bi'::regnamespace and class.relname = any(%(views)s)
order by class.relname, attribute.attnum

-- name: freshness
create or replace view bi.freshness as
select position, fresh_at, lag_ms, parked = 0 as complete, parked
from freshness;

-- name: company
create or replace view bi.company as
select
    cik, coalesce(tickers[1], name) as company, name, tickers[1] as ticker, tickers, sic, sector, major_group, industry,
    country, size_class, latest_fiscal_year_end
from company;

-- name: filing
create or replace view bi.filing as
select
    filing.cik, company.company, filing.accession, filing.form, filing.filed_on, filing.accepted_at, filing.known_at,
    filing.withdrawn_at, filing.period_end, filing.source, filing.fact_count,
    'https://www.sec.gov/Archives/edgar/data/' || filing.cik || '/' || replace(filing.accession, '-', '') || '/' as url
from filing
join bi.company as company on company.cik = filing.cik;

-- name: metric
create or replace view bi.metric as
select metric, label, description, kind, "over", unit, statement, category, formula, undefined_if, additive,
    split_sensitive
from jsonb_to_recordset(%(catalogue)s) as catalogue (
    metric text, label text, description text, kind text, "over" text, unit text, statement text, category text,
    formula text, undefined_if text, additive boolean, split_sensitive boolean
);

-- name: metric_value
create or replace view bi.metric_value as
select
    held.cik, company.company, company.name, company.sector, company.major_group, company.industry, company.country,
    company.size_class, held.metric, metric.label, held.unit, held.period_type, held.period, held.period_start,
    held.period_end, held.value, held.accession, held.known_from, held.revision, held.flags
from metric_value as held
join bi.metric as metric on metric.metric = held.metric
join bi.company as company on company.cik = held.cik
where held.known_to is null;

-- name: frame
-- Ask by metric and period, or by metric (frame_value_order).
create or replace view bi.frame as
select
    stands.cik, company.company, company.name, company.sector, company.major_group, company.industry, company.country,
    company.size_class, metric.metric, metric.label, metric.unit, stands.period,
    substr(stands.period, 3, 4)::integer as year, stands.period_start, stands.period_end, stands.value, stands.accession,
    stands.known_from, stands.flags
from frame_value as stands
join bi.metric as metric on metric.metric = stands.metric
join bi.company as company on company.cik = stands.cik;

-- name: company_year
create or replace view bi.company_year as
select cik, company, name, sector, major_group, industry, country, size_class, year, {metrics}
from bi.frame
where period = 'CY' || year or period = 'CY' || year || 'Q4I'
group by cik, company, name, sector, major_group, industry, country, size_class, year;

-- name: group_aggregate
create or replace view bi.group_aggregate as
select
    figures.metric, metric.label, figures.unit, figures.period, substr(figures.period, 3, 4)::integer as year,
    figures.group_by, figures.group_key, figures.n,
    case when figures.unit = any(%(summed_units)s) then figures.sum end as sum,
    figures.mean, figures.min, figures.p10, figures.p25, figures.median, figures.p75, figures.p90, figures.max
from group_aggregate as figures
join bi.metric as metric on metric.metric = figures.metric;

-- name: vintage
create or replace view bi.vintage as
select
    held.cik, company.company, company.sector, held.metric, metric.label, held.unit, held.period_type, held.period,
    held.period_start, held.period_end, held.revision, held.known_from, held.known_to, held.value, held.accession,
    held.flags
from metric_value as held
join bi.metric as metric on metric.metric = held.metric
join bi.company as company on company.cik = held.cik;

-- name: restatement
-- Each version that replaced another, with the one it replaced (primary key of metric_value).
create or replace view bi.restatement as
select
    held.cik, company.company, company.sector, held.metric, metric.label, held.unit, held.period_type, held.period,
    held.period_end, held.revision, held.known_from, before.value as previous_value, held.value,
    held.value - before.value as change,
    round((held.value - before.value) / nullif(abs(before.value), 0), 12) as change_ratio,
    before.accession as previous_accession, held.accession, held.known_to is null as latest, held.flags
from metric_value as held
join metric_value as before
    on before.cik = held.cik and before.metric = held.metric and before.period_end = held.period_end
    and before.duration_days = held.duration_days and before.period_type = held.period_type
    and before.revision = held.revision - 1
join bi.metric as metric on metric.metric = held.metric
join bi.company as company on company.cik = held.cik
where held.revision > 0 and held.unit = before.unit and held.value <> before.value;
