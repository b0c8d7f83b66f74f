-- name: current_values
-- What the one company with a CIK or a ticker stands for by some metrics, each in a named period or else in the latest it
-- has (as in own_values.sql), since which refresh each cell is as it is, by grouping, and how fresh all that is. Nothing
-- where several companies have the ticker, or the figures named are not the live ones. Indexes: company_pkey and
-- company_tickers, metric_value_pkey backwards, frame_value_pkey, aggregate_change_pkey.
with meant as materialized (
    select %(cik)s::bigint as cik where %(cik)s is not null
    union all
    select named.cik
    from {figures}.company as named
    where named.tickers && array[upper(%(ticker)s::text), replace(upper(%(ticker)s::text), '.', '-')]
)
select freshness.seq, freshness.position, freshness.fresh_at, freshness.lag_ms, freshness.parked as parked_streams,
       company.cik, company.name, company.tickers, company.sic, company.sector, company.industry, company.major_group,
       company.country, company.size_class, company.latest_fiscal_year_end,
       asked.metric, held.period, held.period_end, held.value, held.accession, held.known_from, held.flags,
       array(
           select coalesce(
               (
                   select change.seq from {figures}.aggregate_change as change
                   where (change.metric, change.group_by, change.period)
                       = (asked.metric, grouping.group_by, held.period)
               ),
               freshness.seq
           )
           from unnest(%(group_bys)s::text[]) with ordinality as grouping (group_by, place)
           order by grouping.place
       ) as unchanged_since
from projections.projection as live
cross join {figures}.freshness
join {figures}.company on company.cik = any(array(select cik from meant))
cross join unnest(%(metrics)s::text[], %(periods)s::text[], %(units)s::text[], %(kinds)s::text[])
    as asked (metric, period, unit, kind)
cross join lateral (
    select counts.period, counts.period_end, counts.value, counts.accession, counts.known_from, counts.flags
    from {figures}.frame_value as counts
    where counts.metric = asked.metric and counts.cik = company.cik
        and counts.period = coalesce(
            asked.period,
            (
                select latest.period
                from {figures}.metric_value as latest
                where latest.cik = company.cik and latest.metric = asked.metric and latest.unit = asked.unit
                    and latest.period_type = asked.kind and latest.period is not null
                    and (
                        exists (
                            select from {figures}.frame_value as counted
                            where (counted.metric, counted.period, counted.cik)
                                = (latest.metric, latest.period, latest.cik)
                            offset 0
                        ) or latest.known_to is null and {figures}.is_stated_by_successor(
                            latest.cik, latest.metric, latest.period, latest.unit, null
                        )
                    )
                order by latest.period_end desc
                limit 1
            )
        )
    -- There is one. Said so, and above that nothing is passed over, each is looked up by its key, whatever the planner
    -- takes the number of metrics, companies and versions for; else it may read all of the table where that is small.
    limit 1
) as held
where live.name = 'figures' and live.state = 'live' and live.version = %(version)s
    and (select count(*) from meant) = 1;
