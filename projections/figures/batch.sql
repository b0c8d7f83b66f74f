-- name: companies
-- Index: company primary key.
select cik, name_as_filed, sic, country, size_class, tickers from company where cik = any(%(ciks)s)

-- name: former_names
-- Index: company_former_name primary key.
select cik, name_as_filed, until from company_former_name where cik = any(%(ciks)s)

-- name: classifications
-- Index: company_classification primary key.
select cik, nullif(valid_from, '-infinity'), sic, country, size_class
from company_classification where cik = any(%(ciks)s)
order by cik, valid_from

-- name: companies_with_filings
select cik from unnest(%(ciks)s::bigint[]) as wanted (cik)
where exists (select from filing where filing.cik = wanted.cik)

-- name: filings
-- Index: filing primary key.
select filing.cik, filing.accession, form, filed_on, accepted_at, withdrawn_at, period_end, year_end, source, fact_count, position
from filing
join unnest(%(cik)s::bigint[], %(accession)s::text[]) as wanted (cik, accession)
    on filing.cik = wanted.cik and filing.accession = wanted.accession

-- name: acceptances
select acceptance.cik, acceptance.accession, accepted_at
from acceptance
join unnest(%(cik)s::bigint[], %(accession)s::text[]) as wanted (cik, accession)
    on acceptance.cik = wanted.cik and acceptance.accession = wanted.accession
