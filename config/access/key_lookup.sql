-- name: by_prefix
-- Index: api_key (prefix).
select prefix, secret_sha256, scopes, requests_a_minute, expires_at, revoked_at
from access.api_key
where prefix = %(prefix)s
