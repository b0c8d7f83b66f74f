-- name: wait_briefly
-- Until the transaction ends: nobody may hold up those who share it.
set local lock_timeout = '50ms'

-- name: what_is_known
-- One statement, so one snapshot: versions, and what was known when the streams stood at them. It locks nothing.
-- Indexes: stream (stream), idempotency (key), taken for `= any` also where the planner knows no statistics;
-- company_state (cik), filing_state and acceptance_state (cik, accession), row by row: `offset 0` keeps the planner from
-- reading the tables.
select json_build_object(
    'heads', (
        select coalesce(json_agg(json_build_array(stream, version)), '[]')
        from events.stream
        where stream = any (%(streams)s::text[])
    ),
    'companies', (
        select coalesce(json_agg(company), '[]')
        from unnest(%(ciks)s::bigint[]) as wanted (cik)
        cross join lateral (select * from events.company_state where cik = wanted.cik offset 0) as company
    ),
    'filings', (
        select coalesce(
            json_agg(
                json_build_array(
                    cik, accession,
                    json_build_object(
                        'content_hash', encode(content_hash, 'base64'), 'source', source, 'event_id', event_id,
                        'withdrawn', withdrawn
                    )
                )
            ),
            '[]'
        )
        from json_to_recordset(%(filings)s::json) as wanted (cik bigint, accession text)
        cross join lateral (
            select content_hash, source, event_id, withdrawn from events.filing_state as state
            where (state.cik, state.accession) = (wanted.cik, wanted.accession)
            offset 0
        ) as state
    ),
    'acceptances', (
        select coalesce(json_agg(json_build_array(cik, accession, accepted_at)), '[]')
        from json_to_recordset(%(filings)s::json) as wanted (cik bigint, accession text)
        cross join lateral (
            select accepted_at from events.acceptance_state as acceptance
            where (acceptance.cik, acceptance.accession) = (wanted.cik, wanted.accession)
            offset 0
        ) as acceptance
    ),
    'keys', (
        select coalesce(json_agg(key), '[]')
        from events.idempotency
        where key = any (array(select json_array_elements_text(%(keys)s::json)))
    )
)::text

-- name: write_decided
-- Of each stream either all is written or, where it does not stand at the version decided on or somebody else holds it,
-- nothing; what was written comes back. Streams are locked in the order every writer takes. The sort stands below the
-- identity default, so ids are drawn under the locks and in the order of `ordinal`. Until the transaction ends nobody may
-- hold up those who share it. Index: stream (stream); a locked row is then found by its place.
with incoming as materialized (
    select event.*
    from (select set_config('lock_timeout', '50ms', true)) as patience,
        rows from (
            json_to_recordset(%(events)s::json) as (
                stream text, version integer, type text, schema_version smallint, data json,
                size integer, meta json, cik bigint, accession text, content_hash text, source text,
                content_version integer, content_event_id bigint, withdrawn boolean
            )
        ) with ordinality as event (
            stream, version, type, schema_version, data, size, meta,
            cik, accession, content_hash, source, content_version, content_event_id, withdrawn, ordinal
        )
),
locked as materialized (
    select ctid as place, stream, version
    from events.stream
    where stream = any (%(streams)s::text[])
    order by stream
    for update skip locked
),
moved as (
    update events.stream
    set version = head.version
    from locked
    join (select stream, min(version) - 1 as expected, max(version) as version from incoming group by stream) as head
        on head.stream = locked.stream and head.expected = locked.version
    where stream.ctid = locked.place
    returning stream.stream, stream.shard
),
inserted as (
    insert into events.event (stream, version, type, schema_version, data, size, meta)
    select stream, version, type, schema_version, data, size, meta
    from incoming
    join moved using (stream)
    order by ordinal
    returning id, stream, version
),
queued as (
    insert into events.pending (id, shard)
    select id, shard
    from inserted
    join moved using (stream)
),
filed as (
    insert into events.filing_state (cik, accession, content_hash, source, event_id, withdrawn)
    select
        cik, accession, decode(content_hash, 'base64'), source,
        case content_version
            when version then id
            else coalesce(
                (
                    select content.id from inserted as content
                    where (content.stream, content.version) = (incoming.stream, incoming.content_version)
                ),
                content_event_id
            )
        end,
        withdrawn
    from incoming
    join inserted using (stream, version)
    where cik is not null
    order by cik, accession
    on conflict (cik, accession) do update
    set content_hash = excluded.content_hash, source = excluded.source,
        event_id = excluded.event_id, withdrawn = excluded.withdrawn
)
select stream, version, id from inserted
