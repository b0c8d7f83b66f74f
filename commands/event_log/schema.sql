-- The write side's tables. Only commands/ writes here; the log is read through commands.event_log.
create schema events;

-- One row for each shard, from 0 on without a gap: how many there are is settled when the tables are made.
create table events.shard_head (
    shard     smallint primary key check (shard >= 0),
    shard_seq bigint not null default 0,
    position  bigint not null default 0
);

create table events.stream (
    stream  text primary key,
    version integer not null check (version >= 0),
    shard   smallint not null references events.shard_head -- nobody folds what stands in another
);

-- `id` is drawn while the stream row is locked, so ids rise with the version inside a stream.
create table events.event (
    id             bigint generated always as identity primary key,
    stream         text not null references events.stream,
    version        integer not null check (version > 0),
    type           text not null,
    schema_version smallint not null default 1,
    data           json not null,
    size           integer not null check (size > 0), -- bytes of `data`, so that readers can bound a batch unread
    meta           json not null default '{}',
    recorded_at    timestamptz not null default clock_timestamp(),
    unique (stream, version)
);

-- Committed events the sequencer has not placed yet.
create table events.pending (
    id    bigint primary key references events.event,
    shard smallint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table events.log (
    position     bigint primary key check (position > 0),
    shard        smallint not null,
    shard_seq    bigint not null check (shard_seq > 0),
    event_id     bigint not null unique references events.event,
    sequenced_at timestamptz not null default clock_timestamp(),
    unique (shard, shard_seq)
);

-- How far each shard's doorbell has been rung.
create table events.publication (
    shard     smallint primary key,
    shard_seq bigint not null default 0,
    rung_at   timestamptz
);

create table events.idempotency (
    key          text primary key,
    request_hash bytea not null,
    status       smallint not null,
    response     json not null,
    recorded_at  timestamptz not null default clock_timestamp()
);

-- What decisions need to know about a company and its filings, kept in the deciding transaction.
create table events.company_state (
    cik     bigint primary key,
    name    text not null,
    sic     text,
    country text,
    tickers text[] not null default '{}',
    predecessors json not null default '[]', -- [[cik, the day from which this company goes on], ...]
    former_names json not null default '[]', -- [[name, the last day it had it, or null], ...]
    size_class text
);

create table events.filing_state (
    cik          bigint not null references events.company_state,
    accession    text not null,
    content_hash bytea not null,
    source       text not null,
    event_id     bigint not null references events.event,
    withdrawn    boolean not null default false,
    primary key (cik, accession)
);

create table events.acceptance_state (
    cik         bigint not null references events.company_state,
    accession   text not null,
    accepted_at timestamptz not null,
    primary key (cik, accession)
);
