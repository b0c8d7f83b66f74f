-- What running several versions of a projection needs on top of schema.sql.

-- How often some version of the projection had gone live when this one last did; tells an old live version from a new.
alter table projections.projection add generation bigint not null default 0;
update projections.projection set generation = 1 where state = 'live';

-- How often the event was tried; 0 for those that wait behind another.
alter table projections.parked add attempts integer not null default 1;

-- How far a version being built has come in each shard. It is filled stream by stream, each in its order, up to where
-- the live version stood in the shard at the start; then its checkpoint is set there and it follows the log.
create table projections.building (
    name           text not null,
    version        integer not null,
    shard          smallint not null,
    to_seq         bigint not null,
    to_position    bigint not null,
    stream         text not null default '',    -- the last event folded: its stream ...
    stream_version integer not null default 0,  -- ... and its version in that
    folded         bigint not null default 0,   -- of to_seq events
    done           boolean not null default false,
    primary key (name, version, shard),
    foreign key (name, version, shard) references projections.checkpoint on delete cascade
);
