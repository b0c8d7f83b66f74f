-- A database made today has all of this from the start: 0001 reads figures/tables.sql as it is now.
create table refreshed (
    seq     bigint primary key,
    told_at bigint not null
);
create index on refreshed (told_at);

drop index if exists aggregate_change_seq_idx;
create index if not exists aggregate_change_seq_metric_period_idx on aggregate_change (seq, metric, period);

create table change (
    position    bigint not null,
    field       text not null default '',
    kind        text not null,
    cik         bigint not null,
    accession   text,
    was         text,
    now         text,
    recorded_at timestamptz not null,
    primary key (position, field)
);
create index on change (cik, position);

create table late_change (
    position bigint primary key,
    told_at  bigint not null
);
create index on late_change (told_at);

create table replacement (
    told_at     bigint primary key,
    replaced_at timestamptz not null
);

create table change_horizon (
    single   boolean primary key default true check (single),
    position bigint not null
);
insert into change_horizon (position) select coalesce(max(position), 0) from events.log;

create index if not exists metric_value_restated on metric_value (cik, accession) where revision > 0;
