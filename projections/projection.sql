-- name: versions
select version, state, generation from projections.projection where name = %(name)s order by version
