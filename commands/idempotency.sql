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

-- name: store_answers
insert into events.idempotency (key, request_hash, status, response)
select key, request_hash, %(status)s::smallint, response::json
from unnest(%(keys)b::text[], %(request_hashes)b::bytea[], %(responses)b::text[]) as answer (key, request_hash, response)
order by key
