-- Read tables of the projection `figures`. One schema per version: the search path picks the live one, so statements
-- name these tables without a schema and a rebuild fills a schema of its own.

-- name: tables
create table company (
    cik                    bigint primary key,
    name                   text not null,
    name_as_filed          text not null,
    sic                    text,
    sector                 text,
    industry               text,
    major_group            text generated always as (left(sic, 2)) stored,
    country                text,
    size_class             text,         -- as the filer states it: large_accelerated, accelerated, …
    tickers                text[] not null default '{}',
    latest_fiscal_year_end date
);

-- The group a company is in today; null where it is in none.
create function group_key (of company, group_by text) returns text
language sql immutable parallel safe
return case group_by
    when 'all' then 'all'
    when 'sector' then (of).sector
    when 'major_group' then (of).major_group
    when 'industry' then (of).industry
    when 'country' then (of).country
    when 'size_class' then (of).size_class
end;

-- All groups a company is in today.
create function groups_of (of company) returns table (group_by text, group_key text)
language sql immutable parallel safe
begin atomic
    select place.group_by, place.group_key
    from (
        select kind.group_by, group_key("of", kind.group_by) as group_key
        from unnest(array['all', 'sector', 'major_group', 'industry', 'country', 'size_class']) as kind (group_by)
    ) as place
    where place.group_key is not null;
end;

-- Names a company had before, as far as is known, until their last day.
create table company_former_name (
    cik           bigint not null,
    name_as_filed text not null,
    name          text not null,
    until         date,                  -- null: not known
    primary key (cik, name_as_filed)
);

-- What a company was taken for, in half-open intervals without gaps. The first one begins at -infinity: what was said
-- of a company first holds for all that came before it was said.
create table company_classification (
    cik        bigint not null,
    valid_from timestamptz not null,     -- when the change was recorded
    valid_to   timestamptz,              -- null: still so
    sic        text,
    country    text,
    size_class text,
    primary key (cik, valid_from)
);

-- The division of the Standard Industrial Classification a four-digit code belongs to; null where there is none.
create function sector_of (sic text) returns text
language sql immutable parallel safe
return case
    when left(sic, 2) between '01' and '09' then 'agriculture'
    when left(sic, 2) between '10' and '14' then 'mining'
    when left(sic, 2) between '15' and '17' then 'construction'
    when left(sic, 2) between '20' and '39' then 'manufacturing'
    when left(sic, 2) between '40' and '49' then 'transportation-and-utilities'
    when left(sic, 2) between '50' and '51' then 'wholesale-trade'
    when left(sic, 2) between '52' and '59' then 'retail-trade'
    when left(sic, 2) between '60' and '67' then 'finance'
    when left(sic, 2) between '70' and '89' then 'services'
    when left(sic, 2) between '91' and '99' then 'public-administration'
end;

-- The group a company was in while a classification held; null where it was in none.
create function group_key (of company_classification, group_by text) returns text
language sql immutable parallel safe
return case group_by
    when 'all' then 'all'
    when 'sector' then sector_of((of).sic)
    when 'major_group' then left((of).sic, 2)
    when 'industry' then (of).sic
    when 'country' then (of).country
    when 'size_class' then (of).size_class
end;

create table acceptance (
    cik         bigint not null,
    accession   text not null,
    accepted_at timestamptz not null,
    primary key (cik, accession)
);

create table filing (
    cik          bigint not null,
    accession    text not null,
    form         text not null,
    filed_on     date not null,
    accepted_at  timestamptz,
    known_at     timestamptz not null,
    withdrawn_at timestamptz,
    period_end   date,                   -- the end of the period the filing itself reports on
    year_end     date,                   -- of an annual report: the newest end of a year in it
    source       text not null,
    fact_count   integer not null,
    position     bigint not null,
    primary key (cik, accession)
);

-- How many filings there are: the sum of its rows. A batch adds a row, so that shards never wait for each other; a
-- refresh makes one of all.
create table filing_count (
    filings bigint not null
);

-- Every copy of every fact, as filed. duration_days is 0 for an instant.
create table fact (
    cik           bigint not null,
    concept       text not null,
    unit          text not null,
    period_start  date,
    period_end    date not null,
    duration_days integer not null,
    accession     text not null,
    value         numeric not null,
    primary key (cik, period_end, concept, unit, duration_days, accession)
);

-- Every value a metric has had for a period, with the half-open interval in which the world knew it.
create table metric_value (
    cik             bigint not null,
    metric          text not null,
    period_type     text not null check (period_type in ('annual', 'quarterly', 'ttm', 'instant')),
    period          text,                -- calendar label: CY2024, CY2024Q3, CY2024Q3TTM, CY2024Q3I
    period_start    date,                -- null for an instant
    period_end      date not null,
    duration_days   integer not null,    -- 0 for an instant
    calendar_offset integer not null,    -- days from the calendar period's end to this period's
    revision        integer not null,    -- 0 for the first reported value
    known_from      timestamptz not null,
    known_to        timestamptz,         -- null: still the latest
    value           numeric not null,
    unit            text not null,
    accession       text not null,       -- the filing that made this value known
    concept         text,                -- null for a value of a formula or of several facts
    sources         jsonb,               -- facts a value was added up from: [{sign, concept, start, end, value, accession}]
    flags           text[] not null default '{}',
    numerator       numeric,             -- of a ratio that is a quotient, in US dollars where it is money
    denominator     numeric,
    primary key (cik, metric, period_end, duration_days, period_type, revision)
);

-- Share splits found in the facts, each with the half-open interval in which the world knew it: what became known before
-- `filed_from` is on the older basis.
create table company_split (
    cik        bigint not null,
    filed_from timestamptz not null,
    ratio      numeric not null check (ratio > 0),
    accession  text not null,            -- the filing that shows it first
    known_from timestamptz not null,     -- later than `filed_from` where filings in between show no ratio
    known_to   timestamptz,              -- null: still found
    primary key (cik, filed_from, known_from)
);

-- Accounting identities a filing breaks, with both sides.
create table filing_check (
    cik           bigint not null,
    accession     text not null,
    check_name    text not null,
    period_start  date,
    period_end    date not null,
    duration_days integer not null,
    stated        numeric not null,
    expected      numeric not null,
    primary key (cik, accession, check_name, period_end, duration_days)
);

-- A company that goes on under another CIK: before `effective_on` its history stands under the predecessor.
create table company_link (
    cik             bigint not null,
    predecessor_cik bigint not null,
    effective_on    date not null,
    primary key (cik, predecessor_cik)
);
-- A table nobody has analyzed counts as full of rows while it is empty, and what its links lead to as millions: a refresh
-- would clear all the memory it may take, twice, to find nothing.
analyze company_link;

-- Which companies links lead to from which, however many.
create function companies_ahead () returns table (cik bigint, successor bigint)
language sql stable
begin atomic
    with recursive line (cik, successor) as (
        select predecessor_cik, cik from company_link
        union
        select line.cik, link.cik from line join company_link as link on link.predecessor_cik = line.successor
    )
    select cik, successor from line;
end;

-- The CIKs a company goes on under. In a circle nobody goes on as anybody.
create table company_successor (
    cik       bigint not null,
    successor bigint not null,
    primary key (cik, successor)
);

create table group_aggregate (
    metric         text not null,
    period         text not null,
    group_by       text not null
        check (group_by in ('all', 'sector', 'major_group', 'industry', 'country', 'size_class')),
    group_key      text not null,
    unit           text not null,
    n              integer not null check (n > 0),
    sum            numeric not null,
    sum_of_squares numeric not null,
    mean           numeric not null,
    min            numeric not null,
    p10            numeric not null,
    p25            numeric not null,
    median         numeric not null,
    p75            numeric not null,
    p90            numeric not null,
    max            numeric not null,
    numerator      numeric,              -- sums over the members of which both parts of the ratio are known
    denominator    numeric,
    bottom_ciks    bigint[] not null,    -- smallest first
    bottom_values  numeric[] not null,
    top_ciks       bigint[] not null,    -- largest first
    top_values     numeric[] not null,
    parts          integer not null default 0, -- members that count in numerator and denominator
    rank_ciks      bigint[],             -- the member at or next below each percentile; null in small groups
    rank_values    numeric[],
    primary key (metric, group_by, period, group_key)
);

-- Every group companies are in.
create table company_group (
    group_id  integer primary key generated always as identity,
    group_by  text not null,
    group_key text not null,
    unique (group_by, group_key)
);

-- The groups each company is counted in.
create table group_member (
    group_id integer not null,
    cik      bigint not null,
    primary key (group_id, cik)
);
create index on group_member (cik, group_id);

-- What each company stands for in each calendar period, as it is counted in the aggregates.
create table frame_value (
    metric       text not null,
    period       text not null,
    cik          bigint not null,
    value        numeric not null,       -- in the metric's unit
    period_start date,                   -- null for an instant
    period_end   date not null,
    accession    text not null,
    known_from   timestamptz not null,
    flags        text[] not null,
    numerator    numeric,
    denominator  numeric,
    primary key (metric, period, cik)
);
create index frame_value_order on frame_value (metric, period, value, cik);

-- Cells (metric and calendar period) in which a company's value changed; without metric and period all cells the company
-- stands or stood in, and its groups. Only ever appended and consumed; duplicates are harmless.
create table dirty_cell (
    metric text,
    period text,
    cik    bigint not null
);

-- The last refresh that rewrote groups of a (metric, group_by, period), for the Redis projection to follow by `seq`, and the
-- one before it.
create table aggregate_change (
    metric   text not null,
    group_by text not null,
    period   text not null,
    seq      bigint not null,
    previous bigint not null default 0,
    groups   text[],                     -- those it rewrote; null: any
    primary key (metric, group_by, period)
);
create index on aggregate_change (seq, metric, period);

-- At which position readers are told what a refresh rewrote. Kept while aggregate_change names the refresh.
create table refreshed (
    seq     bigint primary key,
    told_at bigint not null
);
create index on refreshed (told_at);

-- What the log has brought about, a row for each thing an event changed. Which figures a filing restated follows from
-- metric_value.
create table change (
    position    bigint not null,         -- of the event
    field       text not null default '',-- which of the company's, where one of these changed
    kind        text not null,
    cik         bigint not null,
    accession   text,
    was         text,
    now         text,
    recorded_at timestamptz not null,
    primary key (position, field)
);
create index on change (cik, position);

-- Changes that became readable after readers had been told of later ones, as those of a stream that was parked.
create table late_change (
    position bigint primary key,
    told_at  bigint not null
);
create index on late_change (told_at);

-- When these figures took the place of others that were made by other rules.
create table replacement (
    told_at     bigint primary key,
    replaced_at timestamptz not null
);

-- Where changes begin to be kept; no row where they are all there.
create table change_horizon (
    single   boolean primary key default true check (single),
    position bigint not null
);

-- Single row: what a reader is told about the freshness of these tables.
create table freshness (
    single   boolean primary key default true check (single),
    seq      bigint not null,            -- refreshes so far; the Redis projection's version
    position bigint not null,            -- every event up to here is in the tables and the aggregates
    fresh_at timestamptz not null,       -- when that position became readable
    lag_ms   integer not null,           -- between that event's recording and fresh_at
    parked   integer not null            -- streams parked
);
insert into freshness values (true, 0, 0, clock_timestamp(), 0, 0);

-- Whether Redis holds the aggregates of a calendar period ready: years, and the instants at their ends.
create function is_held_ready (period text) returns boolean
language sql immutable parallel safe
begin atomic
    select period ~ '^CY[0-9]{4}(Q4I)?$';
end;

-- The percentiles every group has.
create function percents () returns integer[]
language sql immutable parallel safe
begin atomic
    select array[10, 25, 50, 75, 90];
end;

-- How many of n values in ascending order stand before the one at or next below a percentile.
create function rank_of (percent integer, n integer) returns integer
language sql immutable parallel safe
begin atomic
    select percent * (n - 1) / 100;
end;

-- A percentile of n values: the one at its rank, or between that and the next, to twelve decimals.
create function interpolated (value numeric, next_value numeric, percent integer, n integer) returns numeric
language sql immutable parallel safe
begin atomic
    select case percent * (n - 1) % 100
        when 0 then value
        else round(value + (next_value - value) * (percent * (n - 1) % 100) * 0.01, 12)
    end;
end;

-- The value below which so many percent of a group lie, interpolated between the nearest ranks.
create function percentile (ascending numeric[], percent integer) returns numeric
language sql immutable parallel safe
begin atomic
    select interpolated(
        ascending[rank_of(percent, cardinality(ascending)) + 1],
        ascending[rank_of(percent, cardinality(ascending)) + 2],
        percent,
        cardinality(ascending)
    );
end;

-- To twelve decimals, from a dividend with thirty, so that no rounding in between can show.
create function mean_of (sum numeric, n integer) returns numeric
language sql immutable parallel safe
begin atomic
    select round((sum + 0.000000000000000000000000000000) / n, 12);
end;

-- Whether a company that goes on as another is left out of a calendar period, because the other states the metric itself:
-- at an instant, or where that is null now. Index: metric_value primary key.
create function is_stated_by_successor (
    asked_cik bigint, asked_metric text, asked_period text, asked_unit text, known_at timestamptz
) returns boolean
language sql stable parallel safe
begin atomic
    select exists (
        select from company_successor as line
        join metric_value as stated on stated.cik = line.successor
        where line.cik = asked_cik and stated.metric = asked_metric and stated.period = asked_period
            and stated.unit = asked_unit
            and case
                when known_at is null then stated.known_to is null
                else stated.known_from <= known_at and (stated.known_to is null or stated.known_to > known_at)
            end
    );
end;

-- What each company stands for in one calendar period, in the metric's unit: of its latest values the one nearest to the
-- period, then the one known last, then the longer, then the later. Index: frame_value_order, or the primary key.
create function frame (asked_metric text, asked_period text)
returns table (
    cik bigint, value numeric, period_start date, period_end date, accession text, known_from timestamptz, flags text[],
    numerator numeric, denominator numeric
)
language sql stable parallel safe
begin atomic
    select held.cik, held.value, held.period_start, held.period_end, held.accession, held.known_from, held.flags,
        held.numerator, held.denominator
    from frame_value as held
    where held.metric = asked_metric and held.period = asked_period;
end;

-- The members of a group in one cell. Whether a company is one is asked of each that is passed, so that a reader who wants
-- a few in their order takes them from frame_value_order.
create function members_of (asked_metric text, asked_period text, asked_group integer)
returns table (value numeric, cik bigint)
language sql stable parallel safe
begin atomic
    select held.value, held.cik
    from frame_value as held
    where held.metric = asked_metric and held.period = asked_period
        and (select true from group_member as place where place.group_id = asked_group and place.cik = held.cik);
end;

-- The same as it stood at an instant. Index: metric_value_cell.
create function frame_as_of (asked_metric text, asked_period text, asked_unit text, known_at timestamptz)
returns table (
    cik bigint, value numeric, period_start date, period_end date, accession text, known_from timestamptz, flags text[],
    numerator numeric, denominator numeric
)
language sql stable parallel safe
begin atomic
    select chosen.* from (
        select distinct on (held.cik)
            held.cik, held.value, held.period_start, held.period_end, held.accession, held.known_from, held.flags,
            held.numerator, held.denominator
        from metric_value as held
        where held.metric = asked_metric and held.period = asked_period and held.unit = asked_unit
            and held.known_from <= known_at and (held.known_to is null or held.known_to > known_at)
        order by held.cik, abs(held.calendar_offset), held.known_from desc, held.duration_days desc,
            held.period_end desc
    ) as chosen
    where chosen.cik not in (select company_successor.cik from company_successor)
        or not is_stated_by_successor(chosen.cik, asked_metric, asked_period, asked_unit, known_at);
end;

-- The frame as it stood at an instant, or as it stands where that is null.
create function frame_known (asked_metric text, asked_period text, asked_unit text, known_at timestamptz)
returns table (
    cik bigint, value numeric, period_start date, period_end date, accession text, known_from timestamptz, flags text[],
    numerator numeric, denominator numeric
)
language sql stable parallel safe
begin atomic
    select * from frame(asked_metric, asked_period) where known_at is null
    union all
    select * from frame_as_of(asked_metric, asked_period, asked_unit, known_at) where known_at is not null;
end;

-- name: classes
-- Under which class a company counts, by either reading of `members`; joined like the tables they read.

-- Whether a SIC code is a bank's or an insurer's; null where it is neither.
create or replace function company_kind (sic text) returns text
language sql immutable parallel safe
return case
    when sic between '6020' and '6199' or sic = '6712' then 'bank'
    when sic between '6300' and '6499' then 'insurer'
end;

-- What a company is today, whatever the instant. It has no values that make no sense for it.
create or replace function class_today (asked_cik bigint, instant timestamptz, not_for text) returns setof company
language sql stable parallel safe
begin atomic
    select company.* from company where company.cik = asked_cik;
end;

-- What a company was taken for at an instant; nothing if that is of a kind, of some with blanks between, that a metric is
-- not for.
-- Index: company_classification primary key.
create or replace function class_then (asked_cik bigint, instant timestamptz, not_for text)
returns setof company_classification
language sql stable parallel safe
begin atomic
    select was.* from company_classification as was
    where was.cik = asked_cik and was.valid_from <= instant and (was.valid_to is null or was.valid_to > instant)
        and (company_kind(was.sic) = any(string_to_array(not_for, ' '))) is not true;
end;

-- name: indexes
-- Only readers need these: a rebuild makes them when its tables are full.
create index if not exists company_tickers on company using gin (tickers);
create index if not exists company_name on company (lower(name));
create index if not exists company_former_name_name on company_former_name (lower(name));
create index if not exists filing_filed_on on filing (filed_on);
create index if not exists metric_value_cell on metric_value (metric, period);
create index if not exists metric_value_ended on metric_value (cik, known_to) where known_to is not null;
