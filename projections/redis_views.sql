-- name: try_lock
select pg_try_advisory_xact_lock(%(key)s) as locked

-- name: freshness
select seq, position, fresh_at, lag_ms, parked from freshness

-- name: names
select cik, coalesce(tickers[1], name) as shown from company

-- name: count_changes
-- Index: aggregate_change (seq).
select count(*) from aggregate_change where seq > %(after)s and is_held_ready(period)

-- name: changed_rows
-- One row a group of every changed (metric, group_by, period); no group columns where none is left.
select change.metric, change.group_by, change.period, group_aggregate.group_key,
    row_to_json(group_aggregate)::text as stored
from aggregate_change as change
left join group_aggregate on group_aggregate.metric = change.metric and group_aggregate.group_by = change.group_by
    and group_aggregate.period = change.period
where change.seq > %(after)s and is_held_ready(change.period)
order by change.metric, change.group_by, change.period

-- name: all_rows
select metric, group_by, period, group_key, row_to_json(group_aggregate)::text as stored
from group_aggregate
where is_held_ready(period)
order by metric, group_by, period
