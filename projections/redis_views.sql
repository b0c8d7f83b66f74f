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
-- Every changed (metric, group_by, period) with its groups in order, and what those of them hold that are not as they were
-- after refresh `after`.
select change.metric, change.group_by, change.period,
    coalesce(array_agg(held.group_key order by held.group_key) filter (where held.group_key is not null), '{}')
        as groups,
    coalesce(
        array_agg(row_to_json(held)::text order by held.group_key) filter (
            where held.group_key is not null
                and (change.groups is null or change.previous > %(after)s or held.group_key = any(change.groups))
        ),
        '{}'
    ) as stored
from aggregate_change as change
left join group_aggregate as held
    on held.metric = change.metric and held.group_by = change.group_by and held.period = change.period
where change.seq > %(after)s and is_held_ready(change.period)
group by change.metric, change.group_by, change.period

-- name: all_fragments
select metric, group_by, period, group_key, row_to_json(group_aggregate)::text as stored
from group_aggregate
where is_held_ready(period)
order by metric, group_by, period, group_key
