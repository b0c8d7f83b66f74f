-- name: copy_changes
copy change (position, field, kind, cik, accession, was, now, recorded_at) from stdin

-- name: told_position
-- How far readers have been told, where they have been told of events after this one. Held, so that no refresh moves it
-- on before what is told late can be read.
select position from freshness where position >= %(position)s for update

-- name: tell_late
insert into late_change (position, told_at)
select distinct position, %(told_at)s::bigint from unnest(%(position)s::bigint[]) as row (position)
where position < %(told_at)s
on conflict (position) do update set told_at = greatest(late_change.told_at, excluded.told_at)
