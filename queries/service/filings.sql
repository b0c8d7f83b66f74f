-- name: of_company
-- Filings of a company, newest knowledge first (primary key of filing by cik).
select cik, accession, form, filed_on, accepted_at, known_at, withdrawn_at, source, fact_count
from filing
where cik = %(cik)s
  and (%(form)s::text is null or form = %(form)s)
  and (%(as_of)s::timestamptz is null or known_at <= %(as_of)s)
  and (%(after_known_at)s::timestamptz is null or (known_at, accession) < (%(after_known_at)s, %(after_accession)s))
order by known_at desc, accession desc
limit %(limit)s;
