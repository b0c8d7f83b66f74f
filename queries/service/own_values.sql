-- name: latest
-- The latest calendar period of a kind in which a company has each metric: now, one that the groups have taken in, or in
-- which another counts for it; without a unit, in whatever unit it is stated (primary keys of metric_value by cik and
-- metric, backwards, and of frame_value).
select asked.metric, latest.period
from unnest(%(metrics)s::text[], %(units)s::text[], %(kinds)s::text[]) as asked (metric, unit, kind)
cross join lateral (
    select held.period
    from metric_value as held
    where held.cik = %(cik)s and held.metric = asked.metric and held.unit = coalesce(asked.unit, held.unit)
        and held.period_type = asked.kind and held.period is not null
        and case
            when %(as_of)s::timestamptz is null then exists (
                select from frame_value as counted
                where (counted.metric, counted.period, counted.cik) = (held.metric, held.period, held.cik)
                offset 0  -- so that it is looked up by its key, as in current_values.sql
            ) or held.known_to is null and (
                asked.unit is null or is_stated_by_successor(held.cik, held.metric, held.period, held.unit, null)
            )
            else held.known_from <= %(as_of)s and (held.known_to is null or held.known_to > %(as_of)s)
        end
    order by held.period_end desc
    limit 1
) as latest;

-- name: own
-- What a company counts with in some cells (primary key of frame_value), in which groups, and since which refresh each
-- cell is as it is, by grouping (primary key of aggregate_change). Where changes of a cell are not recorded, it may have changed with any
-- refresh.
select asked.metric, held.period_end, held.value, held.accession, held.known_from, held.flags,
       group_key(class, 'sector') as sector, group_key(class, 'industry') as industry,
       group_key(class, 'major_group') as major_group, group_key(class, 'country') as country,
       group_key(class, 'size_class') as size_class,
       array(
           select coalesce(
               (
                   select change.seq from aggregate_change as change
                   where (change.metric, change.group_by, change.period)
                       = (asked.metric, grouping.group_by, asked.period)
               ),
               freshness.seq
           )
           from freshness
           cross join unnest(%(group_bys)s::text[]) with ordinality as grouping (group_by, place)
           order by grouping.place
       ) as unchanged_since
from unnest(%(metrics)s::text[], %(periods)s::text[], %(units)s::text[], %(not_for)s::text[])
    as asked (metric, period, unit, not_for)
cross join lateral (
    select * from frame_known(asked.metric, asked.period, asked.unit, %(as_of)s) where cik = %(cik)s
) as held
cross join lateral class_{members}(held.cik, coalesce(%(as_of)s, held.known_from), asked.not_for) as class;

-- name: class_then
-- The groups a company was in at an instant (class_then).
select group_key(class, 'sector') as sector, group_key(class, 'industry') as industry,
       group_key(class, 'major_group') as major_group, group_key(class, 'country') as country,
       group_key(class, 'size_class') as size_class
from class_then(%(cik)s, %(as_of)s, '') as class;
