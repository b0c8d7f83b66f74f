-- name: load_filings
-- Index: filing_state (cik, accession), filing by filing: `offset 0` keeps the planner from reading the table.
select wanted.cik, wanted.accession, state.content_hash, state.source, state.event_id, state.withdrawn
from unnest(%(ciks)b::bigint[], %(accessions)b::text[]) as wanted (cik, accession)
cross join lateral (
    select * from events.filing_state as state
    where (state.cik, state.accession) = (wanted.cik, wanted.accession)
    offset 0
) as state

-- name: load_contents
select id, data::text
from events.event
where id = any (%(event_ids)b::bigint[])

-- name: save_filings
insert into events.filing_state (cik, accession, content_hash, source, event_id, withdrawn)
select *
from unnest(%(ciks)b::bigint[], %(accessions)b::text[], %(content_hashes)b::bytea[], %(sources)b::text[],
            %(event_ids)b::bigint[], %(withdrawn)b::boolean[])
    as filing (cik, accession, content_hash, source, event_id, withdrawn)
order by cik, accession
on conflict (cik, accession) do update
set content_hash = excluded.content_hash, source = excluded.source,
    event_id = excluded.event_id, withdrawn = excluded.withdrawn
