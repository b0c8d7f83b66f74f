-- name: adopt
-- What nothing has been folded into yet will be folded by these.
update projections.projection
set rules = %(rules)s
where name = %(name)s and state <> 'building' and rules is distinct from %(rules)s
    and not exists (
        select from projections.checkpoint
        where checkpoint.name = projection.name and checkpoint.version = projection.version and checkpoint.shard_seq > 0
    )

-- name: recorded
select rules from projections.projection where name = %(name)s and version = %(version)s
