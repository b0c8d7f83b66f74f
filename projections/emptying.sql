-- name: versions
select version, state from projections.projection where name = 'figures'

-- name: has
-- Whether a version has a table, a function or a `table.column` of this name.
select %(name)s in (
    select relname::text from pg_class where relnamespace = %(schema)s::regnamespace
    union all
    select proname::text from pg_proc where pronamespace = %(schema)s::regnamespace
    union all
    select relname || '.' || attname from pg_class join pg_attribute on attrelid = pg_class.oid
    where relnamespace = %(schema)s::regnamespace and not attisdropped
)

-- name: hold_freshness
-- Snapshots of readers open this table first: those inside have left before any other table is locked, none comes in.
lock table freshness in access exclusive mode

-- name: told_position
select position from freshness

-- name: make_missing
-- Early versions had neither of them.
create table if not exists late_change (position bigint primary key, told_at bigint not null);
create table if not exists replacement (told_at bigint primary key, replaced_at timestamptz not null)

-- name: forget_parked
delete from projections.parked where name = %(name)s and version = %(version)s

-- name: begin_checkpoints
update projections.checkpoint set shard_seq = 0, position = 0 where name = %(name)s and version = %(version)s
