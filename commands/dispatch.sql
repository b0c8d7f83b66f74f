-- name: last_event_ids
-- Index: event (stream, version).
select event.stream, event.id
from unnest(%(streams)b::text[], %(versions)b::integer[]) as head (stream, version)
join events.event on event.stream = head.stream and event.version = head.version
