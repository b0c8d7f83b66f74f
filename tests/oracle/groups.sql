-- name: make_quotient
-- Rounded to twelve decimals, halves away from zero; `div` cuts off exactly, whatever the number of digits.
create function pg_temp.quotient (above numeric, below numeric) returns numeric
language sql immutable
return sign(above) * sign(below) * div(2 * abs(above) * 1e12 + abs(below), 2 * abs(below)) * 1e-12;

-- name: aggregates
-- Every group of one exported frame. A percentile p lies at the place (n - 1) * p / 100, counted from 0 in ascending
-- order; each of the two members around it counts for as much as it is near. `in_double` is PostgreSQL's own. Growth is that
-- of the members that the frame of a year before has as well.
with member as (
    select place.group_by, place.group_key, frame.unit, frame.cik::bigint as cik,
        regexp_replace(frame.company, '^''(?=[=+@\t\r-])', '') as company, frame.value::numeric as value,
        before.value::numeric as value_before
    from frame
    join company on company.cik = frame.cik
    left join frame as before
        on before.metric = frame.metric and before.period = %(year_before)s and before.cik = frame.cik
    cross join lateral (
        values ('all', 'all'), ('sector', frame.sector), ('major_group', left(frame.industry, 2)),
            ('industry', frame.industry), ('country', company.country), ('size_class', company.size_class)
    ) as place (group_by, group_key)
    where frame.metric = %(metric)s and frame.period = %(period)s and place.group_key is not null
),
ranked as (
    select *, count(*) over of_group as n, row_number() over (of_group order by value, cik) - 1 as place
    from member
    window of_group as (partition by group_by, group_key)
)
select group_by, group_key, unit, n,
    case when unit in ('USD', 'shares') then sum(value) end as sum,
    pg_temp.quotient(sum(value), n) as mean,
    min(value) as min,
    round(sum(value * greatest(0, 1 - abs(place - (n - 1) * 0.10))), 12) as p10,
    round(sum(value * greatest(0, 1 - abs(place - (n - 1) * 0.25))), 12) as p25,
    round(sum(value * greatest(0, 1 - abs(place - (n - 1) * 0.50))), 12) as median,
    round(sum(value * greatest(0, 1 - abs(place - (n - 1) * 0.75))), 12) as p75,
    round(sum(value * greatest(0, 1 - abs(place - (n - 1) * 0.90))), 12) as p90,
    max(value) as max,
    case when unit in ('USD', 'shares') and sum(value_before) > 0 then
        pg_temp.quotient(
            sum(value) filter (where value_before is not null) - sum(value_before), nullif(sum(value_before), 0)
        )
    end as growth,
    percentile_cont(array[0.1, 0.25, 0.5, 0.75, 0.9]) within group (order by value::float8) as in_double,
    jsonb_agg(jsonb_build_array(company, cik, value::text) order by place desc) filter (where place >= n - 5) as top,
    jsonb_agg(jsonb_build_array(company, cik, value::text) order by place) filter (where place < 5) as bottom
from ranked
group by group_by, group_key, unit, n
order by group_by, group_key

-- name: weighted
-- The quotient of the sums of both parts over the members of a frame of ratios, less 1 for a growth rate. A part is what its
-- own frame shows for the same period end, or a year before; a member that neither of them has is not in US dollars. A
-- member's ratio may keep parts that stood before one of them was recast: these are in no frame.
with member as (
    select place.group_by, place.group_key, above.value::numeric as above, below.value::numeric as below,
        (above.cik is null or below.cik is null) and exists (
            select from frame as part
            where part.cik = ratio.cik and (part.metric, part.period) in (
                (%(above)s, %(period)s), (%(below)s, %(below_period)s)
            )
        )
        or coalesce(
            ratio.value::numeric <> pg_temp.quotient(
                above.value::numeric - case when %(is_growth)s then below.value::numeric else 0 end,
                nullif(below.value::numeric, 0)
            ),
            false
        ) as is_unsure
    from frame as ratio
    join company on company.cik = ratio.cik
    left join frame as above
        on above.metric = %(above)s and above.period = %(period)s and above.cik = ratio.cik
        and above.period_end = ratio.period_end
    left join frame as below
        on below.metric = %(below)s and below.period = %(below_period)s and below.cik = ratio.cik
        and case
            when %(is_growth)s then
                abs(below.period_end::date - (ratio.period_end::date - interval '1 year')::date) <= 20
            else below.period_end = ratio.period_end
        end
    cross join lateral (
        values ('all', 'all'), ('sector', ratio.sector), ('major_group', left(ratio.industry, 2)),
            ('industry', ratio.industry), ('country', company.country), ('size_class', company.size_class)
    ) as place (group_by, group_key)
    where ratio.metric = %(metric)s and ratio.period = %(period)s and place.group_key is not null
)
select group_by, group_key,
    pg_temp.quotient(
        sum(case when %(is_growth)s then above - below else above end) filter (where below is not null),
        nullif(sum(below) filter (where above is not null), 0)
    ) as weighted,
    bool_or(is_unsure) as is_unsure
from member
group by group_by, group_key
