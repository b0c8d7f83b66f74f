-- name: known_companies
-- What is known of some companies before their commands are decided. Uses company_state_pkey.
select cik, sic, country, size_class
from events.company_state
where cik = any (%(ciks)s::bigint[])
