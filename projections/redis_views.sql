-- name: try_lock
select pg_try_advisory_xact_lock(%(key)s) as locked

-- name: freshness
select seq, position, fresh_at, lag_ms, parked from freshness

-- name: names
-- Index: company primary key.
select cik, coalesce(tickers[1], name) as shown from company where cik = any(%(ciks)s)

-- name: count_changes
-- Index: aggregate_change (seq, metric, period).
select count(*) from aggregate_change where seq > %(after)s and is_held_ready(period)

-- name: changed_fragments
-- One row a group of every changed (metric, group_by, period), with what it holds unless that is as it was after refresh
-- `after`; one without a group where none is left.
select change.metric, change.group_by, change.period, held.group_key,
    case
        when change.groups is null or change.previous > %(after)s or held.group_key = any(change.groups)
        then row_to_json(held)::text
    end as stored
from aggregate_change as change
left join group_aggregate as held
    on held.metric = change.metric and held.group_by = change.group_by and held.period = change.period
where change.seq > %(after)s and is_held_ready(change.period)
order by change.metric, change.group_by, change.period, held.group_key

-- name: all_fragments
select metric, group_by, period, group_key, row_to_json(group_aggregate)::text as stored
from group_aggregate
where is_held_ready(period)
order by metric, group_by, period, group_key
