-- name: try_lock
select pg_try_advisory_xact_lock(%(key)s)

-- name: snapshot_position
-- Everything up to here is folded: one before the first event some shard has yet to fold, else the head of the log.
select coalesce(
    (
        select min(log.position) - 1
        from projections.checkpoint
        join events.log on log.shard = checkpoint.shard and log.shard_seq = checkpoint.shard_seq + 1
        where checkpoint.name = 'figures' and checkpoint.version = %(version)s
    ),
    (select max(position) from events.log),
    0
) as position

-- name: recorded_at
select event.recorded_at
from events.log join events.event on event.id = log.event_id
where log.position = %(position)s

-- name: freshness
select seq, position, parked from freshness

-- name: parked_streams
select count(distinct stream) from projections.parked where name = 'figures' and version = %(version)s

-- name: is_dirty
select exists (select from dirty_cell)

-- name: begin_refresh
create temporary table refresh_company (cik bigint) on commit drop;
create temporary table refresh_mark (metric text, period text, cik bigint) on commit drop;
create temporary table refresh_place (cik bigint, group_id integer, was boolean, now boolean) on commit drop;
create temporary table refresh_member (
    metric text, period text, cik bigint,
    old_value numeric, old_numerator numeric, old_denominator numeric,
    value numeric, numerator numeric, denominator numeric
) on commit drop;
create temporary table refresh_cell (
    cell integer, metric text, period text, unit text, members integer, whole boolean, piece integer
) on commit drop;
create temporary table refresh_delta (
    slot bigint, cik bigint,
    old_value numeric, old_numerator numeric, old_denominator numeric,
    value numeric, numerator numeric, denominator numeric
) on commit drop;
create temporary table refresh_group (
    slot bigint, cell integer, group_id integer, metric text, period text, group_by text, group_key text, way text
) on commit drop

-- name: sort_in_memory
set local work_mem = '64MB'

-- name: take_marks
with marked as (
    delete from dirty_cell returning metric, period, cik
), whole as (
    insert into refresh_company select distinct cik from marked where metric is null
)
insert into refresh_mark select distinct metric, period, cik from marked where metric is not null

-- name: find_successors
with line as materialized (select * from companies_ahead())
merge into company_successor as held
using (
    select cik, successor from line
    where not exists (select from line as back where (back.cik, back.successor) = (line.successor, line.cik))
) as found
on held.cik = found.cik and held.successor = found.successor
when not matched then insert values (found.cik, found.successor)
when not matched by source then delete

-- name: mark_predecessors
-- What a company states or states no more counts for those it was, too. A link marks the predecessor whole: all from whom
-- links lead there may go on as others now, also those in a circle.
with whole as (
    insert into refresh_company
    select distinct line.cik
    from companies_ahead() as line join refresh_company as marked on marked.cik = line.successor
    where line.cik not in (select cik from refresh_company)
)
insert into refresh_mark
select distinct marked.metric, marked.period, line.cik
from company_successor as line join refresh_mark as marked on marked.cik = line.successor
except
select metric, period, cik from refresh_mark

-- name: take_everybody
insert into refresh_company select cik from company

-- name: is_bulk
-- Where so many companies are marked whole, to work everything out anew is less than to follow each change. Those without
-- any value change no cell. Index: metric_value primary key.
select count(*) > 0 and count(*) * %(bulk_share)s >= (select count(*) from company)
from refresh_company
where exists (select from metric_value where metric_value.cik = refresh_company.cik)

-- name: name_groups
-- The groups companies marked whole are in, as far as nobody was in them before.
insert into company_group (group_by, group_key)
select distinct place.group_by, place.group_key
from refresh_company join company using (cik) cross join lateral groups_of(company) as place
order by 1, 2
on conflict do nothing

-- name: find_places
-- The groups each marked company counted in until now, and those it counts in from now on.
insert into refresh_place (cik, group_id, was, now)
select cik, group_id, bool_or(was), bool_or(now)
from (
    select cik, group_id, true as was, cik not in (select cik from refresh_company) as now
    from group_member
    where cik in (select cik from refresh_mark union select cik from refresh_company)
    union all
    select company.cik, company_group.group_id, false, true
    from refresh_company
    join company using (cik)
    cross join lateral groups_of(company) as place
    join company_group using (group_by, group_key)
) as place
group by cik, group_id

-- name: leave_groups
delete from group_member using refresh_place as gone
where group_member.group_id = gone.group_id and group_member.cik = gone.cik and not gone.now

-- name: join_groups
insert into group_member (group_id, cik) select group_id, cik from refresh_place where now and not was

-- name: clear_frames
delete from frame_value where cik = any(array(select cik from refresh_mark union select cik from refresh_company))

-- name: fill_frames
-- What marked companies stand for by some metrics. What a successor states itself is left out last, where that does not
-- change how the values are reached.
insert into frame_value
select metric, period, cik, value, period_start, period_end, accession, known_from, flags, numerator, denominator
from (
    select distinct on (held.metric, held.period, held.cik) held.*
    from metric_value as held
    join unnest(%(metrics)s::text[], %(units)s::text[]) as stated (metric, unit) using (metric, unit)
    where held.metric = any(%(metrics)s)
        and held.cik in (select cik from refresh_mark union select cik from refresh_company)
        and held.known_to is null and held.period is not null
    order by held.metric, held.period, held.cik, abs(held.calendar_offset), held.known_from desc,
        held.duration_days desc, held.period_end desc
) as chosen
where cik not in (select cik from company_successor) or not is_stated_by_successor(cik, metric, period, unit, null)

-- name: count_filled
-- The next refresh asks for single rows of what was empty or a good deal smaller until now.
analyze frame_value (metric, period, cik), group_member, company_group, company_successor

-- name: mark_cells
-- Each cell that companies marked whole stand or stood in.
insert into refresh_mark
select held.metric, held.period, held.cik
from refresh_company
cross join lateral (
    select metric, period, cik from metric_value
    where metric_value.cik = refresh_company.cik and known_to is null and period is not null
    offset 0
) as held
union
select held.metric, held.period, held.cik
from (select distinct cik from refresh_place join refresh_company using (cik) where was) as counted
cross join lateral (
    select frame_value.metric, frame_value.period, frame_value.cik
    from unnest(%(metrics)s::text[]) as stated (metric)
    join group_aggregate as everybody on everybody.metric = stated.metric and everybody.group_by = 'all'
    join frame_value
        on frame_value.metric = everybody.metric and frame_value.period = everybody.period
        and frame_value.cik = counted.cik
    offset 0
) as held
except
select metric, period, cik from refresh_mark

-- name: count_marks
-- What the planner assumes of fresh temporary tables fits neither one filing nor a first load.
analyze refresh_mark

-- name: follow_frames
-- What companies stand for in marked cells, and what they stood for. Index: metric_value primary key, by company and
-- metric; frame_value primary key.
with current as materialized (
    select * from (
        select distinct on (held.metric, held.period, held.cik) held.*
        from (select distinct cik, metric from refresh_mark) as pair
        join unnest(%(metrics)s::text[], %(units)s::text[]) as stated (metric, unit) using (metric)
        cross join lateral (
            select * from metric_value
            where metric_value.cik = pair.cik and metric_value.metric = pair.metric and metric_value.unit = stated.unit
                and known_to is null
            offset 0
        ) as held
        join refresh_mark as marked
            on marked.metric = held.metric and marked.period = held.period and marked.cik = held.cik
        order by held.metric, held.period, held.cik, abs(held.calendar_offset), held.known_from desc,
            held.duration_days desc, held.period_end desc
    ) as chosen
    where cik not in (select cik from company_successor) or not is_stated_by_successor(cik, metric, period, unit, null)
),
cell as materialized (
    select metric, period, cik, current.value, current.period_start, current.period_end, current.accession,
        current.known_from, current.flags, current.numerator, current.denominator
    from refresh_mark left join current using (metric, period, cik)
),
merged as (
    merge into frame_value as held using cell
    on held.cik = cell.cik and held.metric = cell.metric and held.period = cell.period
    when matched and cell.value is null then delete
    when matched then update set
        value = cell.value, period_start = cell.period_start, period_end = cell.period_end,
        accession = cell.accession, known_from = cell.known_from, flags = cell.flags,
        numerator = cell.numerator, denominator = cell.denominator
    when not matched and cell.value is not null then insert values (
        cell.metric, cell.period, cell.cik, cell.value, cell.period_start, cell.period_end, cell.accession,
        cell.known_from, cell.flags, cell.numerator, cell.denominator
    )
    returning cell.metric, cell.period, cell.cik, old.value as old_value, old.numerator as old_numerator,
        old.denominator as old_denominator, new.value, new.numerator, new.denominator
)
insert into refresh_member select * from merged

-- name: find_all_cells
insert into refresh_cell (cell, metric, period, unit, whole, piece)
select row_number() over (order by metric, period), metric, period, stated.unit, true, 0
from (
    select metric, period from group_aggregate where group_by = 'all' and metric = any(%(metrics)s)
    union
    select metric, period from frame_value where metric = any(%(metrics)s)
) as held
join unnest(%(metrics)s::text[], %(units)s::text[]) as stated (metric, unit) using (metric)

-- name: find_changed_cells
-- Where many members of a cell have changed, all of its groups are worked out anew.
insert into refresh_cell (cell, metric, period, unit, members, whole, piece)
select row_number() over (order by changed.metric, changed.period), changed.metric, changed.period, stated.unit,
    coalesce(everybody.n, 0), changed.members * %(bulk_share)s >= coalesce(everybody.n, 0), 0
from (select metric, period, count(*) as members from refresh_member group by metric, period) as changed
join unnest(%(metrics)s::text[], %(units)s::text[]) as stated (metric, unit) using (metric)
left join group_aggregate as everybody
    on everybody.metric = changed.metric and everybody.period = changed.period and everybody.group_by = 'all'

-- name: find_deltas
-- Each change of a member as each of its groups sees it. A slot is a group in a cell. A company marked whole may be called
-- another name where it is shown.
insert into refresh_delta
select * from (
    select cell.cell::bigint << 32 | place.group_id as slot, member.cik,
        case when place.was then member.old_value end as old_value,
        case when place.was then member.old_numerator end as old_numerator,
        case when place.was then member.old_denominator end as old_denominator,
        case when place.now then member.value end as value,
        case when place.now then member.numerator end as numerator,
        case when place.now then member.denominator end as denominator
    from refresh_member as member
    join refresh_place as place using (cik)
    join refresh_cell as cell using (metric, period)
    where not cell.whole
) as delta
where (old_value, old_numerator, old_denominator) is distinct from (value, numerator, denominator)
    or cik in (select cik from refresh_company)

-- name: find_groups
-- A group is followed where that is less than to look at all of its members: a step to a neighbour passes as many members
-- of the cell as there are for each of the group. What members of the others stand for is looked up one by one or, where
-- those are more than stand in the cell, found among all who do.
with size as materialized (
    select group_id, count(*) as members
    from group_member
    where group_id in (select group_id from refresh_place)
    group by group_id
),
changed as (
    select slot, count(*) as changes, count(value) - count(old_value) as more
    from refresh_delta group by slot
),
weighed as (
    select changed.slot, cell.cell, place.group_id, cell.metric, cell.period, place.group_by, place.group_key,
        cell.members as among, coalesce(size.members, 0) as members,
        held.rank_ciks is not null and held.n + changed.more >= %(followed_from)s
            and held.n * least(size.members, cell.members)
                > %(step_cost)s * (changed.changes + 2) * cell.members as followed
    from changed
    join refresh_cell as cell on cell.cell = changed.slot >> 32
    join company_group as place on place.group_id = changed.slot & 2147483647
    left join size using (group_id)
    left join group_aggregate as held
        on held.metric = cell.metric and held.period = cell.period and held.group_by = place.group_by
        and held.group_key = place.group_key
)
insert into refresh_group
select slot, cell, group_id, metric, period, group_by, group_key,
    case
        when followed then 'follow'
        when sum(members) filter (where not followed) over (partition by cell) > among then 'scan'
        else 'look up'
    end
from weighed

-- name: count_found
create index on refresh_delta (slot);
analyze refresh_cell, refresh_group, refresh_delta

-- name: cut_in_pieces
-- A piece is as many whole cells as hold about so many members at most.
update refresh_cell set piece = cell * (select count(*) from company) / %(members_at_once)s where whole

-- name: pieces
select distinct piece from refresh_cell order by piece

-- name: delete_cells
delete from group_aggregate using refresh_cell as gone
where gone.whole and group_aggregate.metric = gone.metric and group_aggregate.period = gone.period

-- name: delete_groups
delete from group_aggregate using refresh_group as gone
where gone.way <> 'follow' and group_aggregate.metric = gone.metric and group_aggregate.group_by = gone.group_by
    and group_aggregate.period = gone.period and group_aggregate.group_key = gone.group_key

-- name: write_groups
-- Groups from all of their members: all groups of the whole cells of a piece, and the others that are not followed. The
-- order of members is that of (value, cik). Sums have no more decimals than they need, so that one that was followed from
-- change to change is written as one added up anew.
with sought as materialized (
    select changed.cell, changed.group_id, place.cik
    from refresh_group as changed
    join group_member as place using (group_id)
    where changed.way = 'look up' and %(piece)s = 0
),
scanned as materialized (
    select cell.cell, member.cik, member.value, member.numerator, member.denominator
    from (select distinct cell from refresh_group where way = 'scan' and %(piece)s = 0) as changed
    join refresh_cell as cell using (cell)
    cross join lateral (
        select * from frame_value
        where frame_value.metric = cell.metric and frame_value.period = cell.period
        offset 0
    ) as member
),
placed as (
    select cell.cell, place.group_id, member.cik, member.value, member.numerator, member.denominator
    from refresh_cell as cell
    cross join lateral (
        select * from frame_value
        where frame_value.metric = cell.metric and frame_value.period = cell.period
        offset 0
    ) as member
    join group_member as place on place.cik = member.cik
    where cell.whole and cell.piece = %(piece)s
    union all
    select cell, group_id, cik, scanned.value, scanned.numerator, scanned.denominator
    from scanned
    join (
        select group_id, cik from group_member
        where group_id in (select group_id from refresh_group where way = 'scan')
        offset 0
    ) as place using (cik)
    join refresh_group as changed using (cell, group_id)
    where changed.way = 'scan'
    union all
    select sought.cell, sought.group_id, member.cik, member.value, member.numerator, member.denominator
    from sought
    join refresh_cell as cell using (cell)
    join frame_value as member
        on member.metric = cell.metric and member.period = cell.period and member.cik = sought.cik
),
gathered as (
    select cell, group_id, count(*)::integer as n, trim_scale(sum(value)) as sum,
        trim_scale(sum(value * value)) as sum_of_squares, count(numerator)::integer as parts,
        trim_scale(sum(numerator)) as numerator, trim_scale(sum(denominator)) as denominator,
        array_agg(value order by value, cik) as ascending, array_agg(cik order by value, cik) as ciks
    from placed
    group by cell, group_id
)
insert into group_aggregate (
    metric, period, group_by, group_key, unit, n, sum, sum_of_squares, mean, min, p10, p25, median, p75, p90, max,
    numerator, denominator, parts, bottom_ciks, bottom_values, top_ciks, top_values, rank_ciks, rank_values
)
select metric, period, group_by, group_key, unit, n, sum, sum_of_squares,
    mean_of(sum, n), ascending[1],
    percentile(ascending, 10), percentile(ascending, 25), percentile(ascending, 50), percentile(ascending, 75),
    percentile(ascending, 90), ascending[n], numerator, denominator, parts,
    ciks[:%(shown)s], ascending[:%(shown)s],
    array_reverse(ciks[n - %(shown)s + 1:]), array_reverse(ascending[n - %(shown)s + 1:]),
    case when n >= %(followed_from)s
        then (select array_agg(ciks[rank_of(percent, n) + 1] order by percent) from unnest(percents()) as percent)
    end,
    case when n >= %(followed_from)s
        then (select array_agg(ascending[rank_of(percent, n) + 1] order by percent) from unnest(percents()) as percent)
    end
from gathered join refresh_cell using (cell) join company_group using (group_id)

-- name: follow_groups
-- Groups from what they were and what has changed. The member at each percentile is found from the one that was there, by
-- as many steps to a neighbour as the changes before it and the new size of the group make necessary; the members at
-- either end are looked at again where one of them has changed or comes in. Index: frame_value_order, group_member.
with changed as materialized (
    select delta.slot, followed.group_id, held.metric, held.period, held.group_by, held.group_key, held.n as old_n,
        held.rank_values, held.rank_ciks,
        held.n + (count(delta.value) - count(delta.old_value))::integer as n,
        trim_scale(held.sum + coalesce(sum(delta.value), 0) - coalesce(sum(delta.old_value), 0)) as sum,
        trim_scale(
            held.sum_of_squares + coalesce(sum(delta.value * delta.value), 0)
                - coalesce(sum(delta.old_value * delta.old_value), 0)
        ) as sum_of_squares,
        held.parts + (count(delta.numerator) - count(delta.old_numerator))::integer as parts,
        trim_scale(
            coalesce(held.numerator, 0) + coalesce(sum(delta.numerator), 0) - coalesce(sum(delta.old_numerator), 0)
        ) as numerator,
        trim_scale(
            coalesce(held.denominator, 0) + coalesce(sum(delta.denominator), 0) - coalesce(sum(delta.old_denominator), 0)
        ) as denominator,
        held.n < %(shown)s or bool_or(
            coalesce(
                (delta.value, delta.cik) <= (held.bottom_values[%(shown)s], held.bottom_ciks[%(shown)s]), false
            )
            or coalesce(
                (delta.old_value, delta.cik) <= (held.bottom_values[%(shown)s], held.bottom_ciks[%(shown)s]), false
            )
        ) as bottom_moves,
        held.n < %(shown)s or bool_or(
            coalesce((delta.value, delta.cik) >= (held.top_values[%(shown)s], held.top_ciks[%(shown)s]), false)
            or coalesce((delta.old_value, delta.cik) >= (held.top_values[%(shown)s], held.top_ciks[%(shown)s]), false)
        ) as top_moves
    from refresh_group as followed
    join refresh_delta as delta using (slot)
    join group_aggregate as held
        on held.metric = followed.metric and held.period = followed.period and held.group_by = followed.group_by
        and held.group_key = followed.group_key
    where followed.way = 'follow'
    group by delta.slot, followed.group_id, held.metric, held.group_by, held.period, held.group_key
),
anchor as materialized (
    select changed.slot, changed.group_id, changed.metric, changed.period, changed.n, held.percent, held.value, held.cik,
        rank_of(held.percent, changed.n) as wanted,
        rank_of(held.percent, changed.old_n)
            + count(*) filter (where (delta.value, delta.cik) < (held.value, held.cik))
            - count(*) filter (where (delta.old_value, delta.cik) < (held.value, held.cik)) as reached
    from changed
    cross join unnest(percents(), changed.rank_values, changed.rank_ciks) as held (percent, value, cik)
    join refresh_delta as delta using (slot)
    group by changed.slot, changed.group_id, changed.metric, changed.period, changed.n, changed.old_n, held.percent,
        held.value, held.cik
),
stepped as (
    select anchor.slot, anchor.percent, anchor.n,
        neighbours.ascending[greatest(wanted - reached, 0) + 1] as value,
        neighbours.ciks[greatest(wanted - reached, 0) + 1] as cik,
        neighbours.ascending[greatest(wanted - reached, 0) + 2] as next_value
    from anchor
    cross join lateral (
        select array_agg(value order by value, cik) as ascending, array_agg(cik order by value, cik) as ciks
        from (
            (
                select member.value, member.cik
                from members_of(anchor.metric, anchor.period, anchor.group_id) as member
                where (member.value, member.cik) < (anchor.value, anchor.cik)
                order by member.value desc, member.cik desc
                limit greatest(reached - wanted, 0)
            )
            union all
            (
                select member.value, member.cik
                from members_of(anchor.metric, anchor.period, anchor.group_id) as member
                where (member.value, member.cik) >= (anchor.value, anchor.cik)
                order by member.value, member.cik
                limit greatest(wanted - reached, 0) + 2
            )
        ) as neighbour
    ) as neighbours
),
percentiles as materialized (
    select slot, array_agg(value order by percent) as rank_values, array_agg(cik order by percent) as rank_ciks,
        array_agg(interpolated(value, next_value, percent, n) order by percent) as at
    from stepped
    group by slot
)
update group_aggregate as held
set n = changed.n, sum = changed.sum, sum_of_squares = changed.sum_of_squares, mean = mean_of(changed.sum, changed.n),
    min = coalesce(bottom.ascending[1], held.min), p10 = percentiles.at[1], p25 = percentiles.at[2],
    median = percentiles.at[3], p75 = percentiles.at[4], p90 = percentiles.at[5],
    max = coalesce(top.descending[1], held.max),
    parts = changed.parts, rank_values = percentiles.rank_values, rank_ciks = percentiles.rank_ciks,
    numerator = case when changed.parts > 0 then changed.numerator end,
    denominator = case when changed.parts > 0 then changed.denominator end,
    bottom_ciks = coalesce(bottom.ciks, held.bottom_ciks), bottom_values = coalesce(bottom.ascending, held.bottom_values),
    top_ciks = coalesce(top.ciks, held.top_ciks), top_values = coalesce(top.descending, held.top_values)
from changed
join percentiles using (slot)
cross join lateral (
    select array_agg(value order by value, cik) as ascending, array_agg(cik order by value, cik) as ciks
    from (
        select member.value, member.cik
        from members_of(changed.metric, changed.period, changed.group_id) as member
        where changed.bottom_moves
        order by member.value, member.cik
        limit %(shown)s
    ) as smallest
) as bottom
cross join lateral (
    select array_agg(value order by value desc, cik desc) as descending, array_agg(cik order by value desc, cik desc) as ciks
    from (
        select member.value, member.cik
        from members_of(changed.metric, changed.period, changed.group_id) as member
        where changed.top_moves
        order by member.value desc, member.cik desc
        limit %(shown)s
    ) as largest
) as top
where held.metric = changed.metric and held.period = changed.period and held.group_by = changed.group_by
    and held.group_key = changed.group_key

-- name: record_changes
insert into aggregate_change (metric, group_by, period, seq, groups)
select metric, group_by, period, %(seq)s, case when not bool_or(whole) then array_agg(group_key) end
from (
    select metric, group_by, period, group_key, false as whole from refresh_group
    union all
    select metric, grouping, period, null, true
    from refresh_cell cross join (select distinct group_by from company_group) as kind (grouping)
    where whole
) as changed
group by metric, group_by, period
order by metric, group_by, period
on conflict (metric, group_by, period) do update set
    previous = aggregate_change.seq, seq = excluded.seq, groups = excluded.groups

-- name: forget_empty_groups
delete from company_group using refresh_place as gone
where company_group.group_id = gone.group_id and not gone.now
    and not exists (select from group_member where group_member.group_id = gone.group_id)

-- name: gather_filing_counts
with counted as (delete from filing_count returning filings)
insert into filing_count select sum(filings) from counted having count(*) > 0

-- name: set_freshness
-- Readers at the position until now are told what was rewritten, also where it stays the position.
with noted as (
    insert into refreshed (seq, told_at) select %(seq)s, greatest(%(position)s, position + 1) from freshness
), forgotten as (
    delete from refreshed
    where %(seq)s %% 1000 = 0 and not exists (select from aggregate_change where aggregate_change.seq = refreshed.seq)
)
update freshness
set seq = %(seq)s, position = %(position)s, fresh_at = %(fresh_at)s, lag_ms = %(lag_ms)s, parked = %(parked)s
