-- What every projection needs to be run: which versions exist, how far each shard has come, what is parked.
create schema projections;

create table projections.projection (
    name    text not null,
    version integer not null,
    state   text not null check (state in ('building', 'live', 'retired')),
    primary key (name, version)
);
create unique index one_live_version on projections.projection (name) where state = 'live';

create table projections.checkpoint (
    name       text not null,
    version    integer not null,
    shard      smallint not null,
    shard_seq  bigint not null default 0,
    position   bigint not null default 0,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (name, version, shard),
    foreign key (name, version) references projections.projection
);

-- An event that could not be folded, and the later events of its stream that wait behind it.
create table projections.parked (
    name      text not null,
    version   integer not null,
    position  bigint not null,
    stream    text not null,
    error     text not null,
    parked_at timestamptz not null default clock_timestamp(),
    primary key (name, version, position),
    foreign key (name, version) references projections.projection
);
create index on projections.parked (name, version, stream);
