-- name: of_company
-- Filings of a company, newest knowledge first (primary key of filing by cik); of withdrawals those known at `as_of`.
select cik, accession, form, filed_on, accepted_at, known_at,
       case when withdrawn_at <= coalesce(%(as_of)s::timestamptz, 'infinity') then withdrawn_at end as withdrawn_at,
       period_end, source, fact_count
from filing
where cik = %(cik)s
  and (%(form)s::text is null or upper(form) = upper(%(form)s))
  and (%(as_of)s::timestamptz is null or known_at <= %(as_of)s)
  and (%(after_known_at)s::timestamptz is null or (known_at, accession) < (%(after_known_at)s, %(after_accession)s))
order by known_at desc, accession desc
limit %(limit)s;

-- name: broken_checks
-- Accounting identities some filings of a company break (primary key of filing_check by cik and accession).
select accession, check_name, period_start, period_end, stated, expected
from filing_check
where cik = %(cik)s and accession = any(%(accessions)s)
order by accession, period_end desc, duration_days, check_name;

-- name: by_accession
-- Some filings of a company (primary key of filing).
select accession, form, filed_on, accepted_at, known_at
from filing
where cik = %(cik)s and accession = any(%(accessions)s);
