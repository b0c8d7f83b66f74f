-- name: extent
-- How much the live figures hold. Counted by whoever writes them, not estimated. Index: filing_filed_on.
select (select count(*) from company) as companies,
       (select coalesce(sum(filings), 0)::bigint from filing_count) as filings,
       (select max(filed_on) from filing) as latest_filed_on;
