-- name: events
-- Where some events stand in the log; null while they wait to be placed. Indexes: event_pkey, log_event_id_key.
select event.id, log.position
from events.event
left join events.log on log.event_id = event.id
where event.id = any(%(ids)s);
