-- Who may ask. Only access/ reads and writes here.
create schema access;

-- The secret itself is kept nowhere: whoever reads this table, or a dump of it, can use no key.
create table access.api_key (
    prefix            text primary key check (prefix ~ '^[0-9a-f]{12}$'),
    secret_sha256     bytea not null check (octet_length(secret_sha256) = 32),
    name              text not null check (name <> ''), -- whom or what it is for; two may have the same
    scopes            text[] not null check (scopes <> '{}' and scopes <@ '{read,write,admin}'),
    requests_a_minute integer check (requests_a_minute > 0), -- null: as many as it likes
    created_at        timestamptz not null,
    expires_at        timestamptz check (expires_at > created_at), -- null: never
    revoked_at        timestamptz
);
