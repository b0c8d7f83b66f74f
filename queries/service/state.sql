-- name: state
-- How far each shard has been folded, and what is parked: nothing else moves the tables between two refreshes.
select coalesce(string_agg(checkpoint.shard || ':' || checkpoint.shard_seq, ' ' order by checkpoint.shard), '')
    || ' ' || (
        select count(*) || ':' || coalesce(max(parked.position), 0)
        from projections.parked as parked
        where parked.name = 'figures' and parked.version = %(version)s
    ) as state
from projections.checkpoint as checkpoint
where checkpoint.name = 'figures' and checkpoint.version = %(version)s;

-- name: settled
-- Whether the last refresh has seen everything that was folded.
select not exists (select from dirty_cell)
    and not exists (
        select from projections.checkpoint as checkpoint
        where checkpoint.name = 'figures' and checkpoint.version = %(version)s and checkpoint.position > %(position)s
    )
    and %(parked)s = (
        select count(distinct parked.stream) from projections.parked as parked
        where parked.name = 'figures' and parked.version = %(version)s
    ) as settled;
