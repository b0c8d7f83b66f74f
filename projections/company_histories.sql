-- A database made today has all of this from the start: 0001 reads figures/tables.sql as it is now.
create table if not exists company_former_name (
    cik           bigint not null,
    name_as_filed text not null,
    name          text not null,
    until         date,
    primary key (cik, name_as_filed)
);
create index if not exists company_former_name_name on company_former_name (lower(name));

create table if not exists company_classification (
    cik        bigint not null,
    valid_from timestamptz not null,
    valid_to   timestamptz,
    sic        text,
    country    text,
    primary key (cik, valid_from)
);
insert into company_classification (cik, valid_from, sic, country)
select cik, '-infinity', sic, country from company
on conflict (cik, valid_from) do nothing;

alter table filing add column if not exists year_end date;
