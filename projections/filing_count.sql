-- A database made today has all of this from the start: 0001 reads figures/tables.sql as it is now.
create table if not exists filing_count (
    filings bigint not null
);
lock table filing in share row exclusive mode;
insert into filing_count select count(*) from filing having not exists (select from filing_count);
create index if not exists filing_filed_on on filing (filed_on);
