-- name: add
insert into access.api_key (prefix, secret_sha256, name, scopes, requests_a_minute, created_at, expires_at)
values (%(prefix)s, %(secret_sha256)s, %(name)s, %(scopes)s, %(requests_a_minute)s, %(now)s, %(expires_at)s)

-- name: listed
-- All there are, also those that count no more.
select prefix, name, scopes, requests_a_minute, created_at, expires_at, revoked_at
from access.api_key
order by created_at, prefix

-- name: revoke
-- A key that was revoked before stays revoked since then.
update access.api_key set revoked_at = coalesce(revoked_at, %(now)s)
where prefix = %(prefix)s
returning prefix, name, scopes, requests_a_minute, created_at, expires_at, revoked_at
