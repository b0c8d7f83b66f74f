-- name: load_companies
select cik, name, sic, country, tickers, predecessors::text, former_names::text, size_class
from events.company_state
where cik = any (%(ciks)b::bigint[])

-- name: save_companies
insert into events.company_state (cik, name, sic, country, tickers, predecessors, former_names, size_class)
select
    (company->>'cik')::bigint, company->>'name', company->>'sic', company->>'country',
    array(select jsonb_array_elements_text(company->'tickers')), company->'predecessors',
    company->'former_names', company->>'size_class'
from jsonb_array_elements(%(companies)s::jsonb) as company
order by 1
on conflict (cik) do update
set name = excluded.name, sic = excluded.sic, country = excluded.country, tickers = excluded.tickers,
    predecessors = excluded.predecessors, former_names = excluded.former_names,
    size_class = excluded.size_class

-- name: load_acceptances
-- Index: acceptance_state (cik, accession), filing by filing: `offset 0` keeps the planner from reading the table.
select wanted.cik, wanted.accession, state.accepted_at
from unnest(%(ciks)b::bigint[], %(accessions)b::text[]) as wanted (cik, accession)
cross join lateral (
    select * from events.acceptance_state as state
    where (state.cik, state.accession) = (wanted.cik, wanted.accession)
    offset 0
) as state

-- name: save_acceptances
insert into events.acceptance_state (cik, accession, accepted_at)
select cik, accession, accepted_at
from unnest(%(ciks)b::bigint[], %(accessions)b::text[], %(accepted_at)b::timestamptz[])
    as accepted (cik, accession, accepted_at)
order by cik, accession
on conflict (cik, accession) do update set accepted_at = excluded.accepted_at
