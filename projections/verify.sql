-- name: log_totals
select
    (select count(*) from events.log) as placed,
    (select coalesce(min(position), 1) from events.log) as first,
    (select coalesce(max(position), 0) from events.log) as last,
    (select count(*) from events.event) as events,
    (select count(*) from events.pending) as pending

-- name: unsequenced
-- Committed events that are neither in the log nor waiting for it.
select event.id from events.event
where not exists (select from events.log where log.event_id = event.id)
    and not exists (select from events.pending where pending.id = event.id)
order by event.id limit 1

-- name: placed_and_pending
select pending.id from events.pending join events.log on log.event_id = pending.id order by pending.id limit 1

-- name: stream_disorder
-- A stream whose versions do not rise by one along the log.
select stream, version, position
from (
    select event.stream, event.version, log.position,
        row_number() over (partition by event.stream order by log.position) as place
    from events.log join events.event on event.id = log.event_id
) as placed
where version <> place
order by position limit 1

-- name: shard_disorder
select shard, shard_seq, position
from (
    select shard, shard_seq, position, row_number() over (partition by shard order by position) as place from events.log
) as placed
where shard_seq <> place
order by position limit 1

-- name: strayed_head
-- A shard whose head is not where the log has it.
select head.shard, head.shard_seq, head.position, coalesce(placed.shard_seq, 0) as last_seq
from events.shard_head as head
left join (
    select shard, max(shard_seq) as shard_seq, max(position) as position from events.log group by shard
) as placed using (shard)
where (head.shard_seq, head.position) <> (coalesce(placed.shard_seq, 0), coalesce(placed.position, 0))
order by head.shard limit 1

-- name: strayed_stream
-- A stream that says it has another number of events than it has.
select stream.stream, stream.version, coalesce(written.events, 0) as events
from events.stream
left join (select stream, count(*) as events from events.event group by stream) as written using (stream)
where stream.version <> coalesce(written.events, 0)
order by stream.stream limit 1

-- name: strayed_checkpoint
-- A shard of which more is folded than the log has.
select checkpoint.name, checkpoint.shard, checkpoint.shard_seq, head.shard_seq as last_seq
from projections.checkpoint
join projections.projection using (name, version)
join events.shard_head as head using (shard)
where projection.state = 'live' and checkpoint.shard_seq > head.shard_seq
order by checkpoint.shard limit 1

-- name: checkpoints
select shard, shard_seq from projections.checkpoint where name = %(name)s and version = %(version)s

-- name: parked
select stream, min(position) from projections.parked where name = %(name)s and version = %(version)s group by stream

-- name: companies_of_log
-- Index: event (stream, version). A page of streams, so that one company's events are in memory at a time.
select stream from events.stream where stream > %(after)s order by stream limit 200

-- name: events_of_streams
select log.position, log.shard, log.shard_seq, log.event_id, event.stream, event.version, event.type,
    event.data::text as data, event.recorded_at
from events.event
join events.log on log.event_id = event.id
join projections.checkpoint on checkpoint.name = %(name)s and checkpoint.version = %(version)s
    and checkpoint.shard = log.shard and log.shard_seq <= checkpoint.shard_seq
where event.stream = any(%(streams)s)
order by log.position

-- name: forms
select distinct form from filing

-- name: untraced
-- What a company stands for by a filing that is not there, or is of a form that feeds no figure. It may be withdrawn: a
-- value that another filing repeats keeps the accession that first made it known.
select held.metric, held.period, held.cik, held.accession
from frame_value as held
join company using (cik)
left join filing using (cik, accession)
where filing.cik is null or filing.form <> all(%(forms)s)
order by held.cik, held.metric, held.period
limit 1

-- name: company_ciks
select cik from company

-- name: stranger
-- Of which company of those that are not in the table of companies a table has a row.
select min(cik) as cik from {table} as held where cik not in (select cik from company) having min(cik) is not null

-- name: all_groups
select group_by, group_key from company_group

-- name: successors
select cik, successor from company_successor

-- name: changes_kept
select coalesce((select position from change_horizon), 0) as since

-- name: changes
-- Index: change (cik, position).
select position, kind, cik, recorded_at, accession, field, was, now from change
where cik = %(cik)s and position > %(since)s

-- name: acceptances
select accession, accepted_at from acceptance where cik = %(cik)s

-- name: groups
-- Index: group_member (cik, group_id).
select group_by, group_key from group_member left join company_group using (group_id) where cik = %(cik)s

-- name: company
select cik, name, name_as_filed, sic, sector, industry, country, size_class, tickers, latest_fiscal_year_end
from company where cik = %(cik)s

-- name: former_names
select name_as_filed, name, until from company_former_name where cik = %(cik)s

-- name: classifications
select nullif(valid_from, '-infinity'), valid_to, sic, country, size_class from company_classification where cik = %(cik)s

-- name: filings
select accession, form, filed_on, accepted_at, known_at, withdrawn_at, period_end, year_end, source, fact_count, position
from filing where cik = %(cik)s

-- name: counted_filings
select coalesce(sum(filings), 0)::bigint as counted, (select count(*) from filing) as there from filing_count

-- name: facts
select concept, unit, period_start, period_end, accession, value, duration_days from fact where cik = %(cik)s

-- name: values
select metric, period_type, period, period_start, period_end, duration_days, calendar_offset, revision,
    known_from, known_to, value, unit, accession, concept, sources::text, flags, numerator, denominator
from metric_value where cik = %(cik)s

-- name: checks
select cik, accession, check_name, period_start, period_end, duration_days, stated, expected
from filing_check where cik = %(cik)s

-- name: splits
select filed_from, ratio, accession, known_from, known_to from company_split where cik = %(cik)s

-- name: links
select predecessor_cik, effective_on from company_link where cik = %(cik)s

-- name: current_values
select cik, metric, period_type, period, period_start, period_end, duration_days, calendar_offset, revision,
    known_from, known_to, value, unit, accession, concept, null as sources, flags, numerator, denominator
from metric_value
where known_to is null and period is not null
order by metric collate "C", period collate "C"

-- name: frames
select metric, period, cik, value, period_start, period_end, accession, known_from, flags, numerator, denominator
from frame_value
order by metric collate "C", period collate "C"

-- name: aggregates
select metric, period, group_by, group_key, unit, n, sum, sum_of_squares, mean, min, p10, p25, median, p75, p90, max,
    numerator, denominator, bottom_ciks, bottom_values, top_ciks, top_values, parts, rank_ciks, rank_values
from group_aggregate
order by metric collate "C", period collate "C"

-- name: names
select cik, coalesce(tickers[1], name) from company

-- name: freshness
select seq, position, fresh_at, lag_ms, parked from freshness
