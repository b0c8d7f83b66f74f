-- name: late
-- Events told later than their place: those told so before, and those set aside that readers have passed.
select position, max(told_at)
from (
    select position, told_at from late_change
    union all
    select parked.position, freshness.position + 1
    from projections.parked join freshness on parked.position <= freshness.position
    where parked.name = %(name)s and parked.version = %(version)s
) as told
group by position

-- name: replacements
select told_at, replaced_at from replacement

-- name: tell_late
insert into late_change (position, told_at)
select * from unnest(%(position)s::bigint[], %(told_at)s::bigint[]) as row (position, told_at)
on conflict (position) do update set told_at = greatest(late_change.told_at, excluded.told_at)

-- name: tell_replacements
-- One at a place is enough.
insert into replacement (told_at, replaced_at)
select * from unnest(%(told_at)s::bigint[], %(replaced_at)s::timestamptz[]) as row (told_at, replaced_at)
on conflict (told_at) do update set replaced_at = greatest(replacement.replaced_at, excluded.replaced_at)
