-- name: extent
-- How much the live figures hold. Counted, not estimated.
select (select count(*) from company) as companies,
       (select count(*) from filing) as filings,
       (select max(filed_on) from filing) as latest_filed_on;
