-- name: last_event_ids
-- Index: event (stream, version), stream by stream: `offset 0` keeps the planner from reading the table.
select head.stream, event.id
from unnest(%(streams)b::text[], %(versions)b::integer[]) as head (stream, version)
cross join lateral (
    select id from events.event where (event.stream, event.version) = (head.stream, head.version) offset 0
) as event
