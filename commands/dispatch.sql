-- name: wait_briefly
-- Until the transaction ends: nobody may hold up those who share it.
set local lock_timeout = '50ms'

-- name: last_event_ids
-- Index: event (stream, version).
select event.stream, event.id
from unnest(%(streams)b::text[], %(versions)b::integer[]) as head (stream, version)
join events.event on event.stream = head.stream and event.version = head.version
