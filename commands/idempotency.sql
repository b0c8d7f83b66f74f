-- name: claim_key
-- A second sender of the same key waits here until the first has committed or rolled back.
insert into events.idempotency (key, request_hash, status, response)
values (%(key)s, %(request_hash)s, 0, 'null')
on conflict (key) do nothing
returning key

-- name: read_key
select request_hash, status, response::text, recorded_at from events.idempotency where key = %(key)s

-- name: store_response
update events.idempotency set status = %(status)s, response = %(response)s::json where key = %(key)s

-- name: claim_keys
-- Those claimed come back; the others belong to requests before.
insert into events.idempotency (key, request_hash, status, response)
select key, request_hash, 0, 'null'
from unnest(%(keys)b::text[], %(request_hashes)b::bytea[]) as wanted (key, request_hash)
order by key
on conflict (key) do nothing
returning key

-- name: store_responses
-- Index: idempotency (key), taken for `= any` also where the planner has no statistics.
update events.idempotency
set status = %(status)s, response = answered.response::json
from unnest(%(keys)b::text[], %(responses)b::text[]) as answered (key, response)
where idempotency.key = answered.key and idempotency.key = any (%(keys)b::text[])

-- name: free_keys
delete from events.idempotency where key = any (%(keys)b::text[])
