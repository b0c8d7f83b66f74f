-- Which metrics of a version that is being built have been worked out for all companies and groups.
create table projections.building_groups (
    name    text not null,
    version integer not null,
    metric  text not null,
    done    boolean not null default false,
    primary key (name, version, metric),
    foreign key (name, version) references projections.projection on delete cascade
);
