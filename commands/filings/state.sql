-- name: load_filings
select cik, accession, content_hash, source, event_id, withdrawn
from events.filing_state
join unnest(%(ciks)b::bigint[], %(accessions)b::text[]) as wanted (cik, accession) using (cik, accession)

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
