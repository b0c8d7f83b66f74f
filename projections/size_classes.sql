-- A database made today has all of this from the start: 0001 reads figures/tables.sql as it is now.
alter table company add column if not exists major_group text generated always as (left(sic, 2)) stored;
alter table company add column if not exists size_class text;
alter table company_classification add column if not exists size_class text;
