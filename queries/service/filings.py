"""Which filings of a company are known."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.connections import ReadSources
from queries.read_models.aggregate_fragment import plain
from queries.read_models.filing import FILING, BrokenCheckRow, FilingRow, document_url
from queries.service.arguments import AsOf, Cursor, argument
from queries.service.companies import CompanyQuery, find_company
from queries.service.cursor import read_cursor, write_cursor
from queries.service.result import Result, meta_of
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("filings.sql")


class FilingsQuery(CompanyQuery, frozen=True, kw_only=True):
    """Which filings to list."""

    form: Annotated[str | None, argument("Only filings of this form.", example="10-K", max_length=20)] = None
    as_of: AsOf = None
    limit: Annotated[int, argument("Filings a page.", example=50, ge=1, le=1000)] = 100
    cursor: Cursor = None


class _Filing(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    accession: str
    form: str
    filed_on: date
    accepted_at: datetime | None
    known_at: datetime
    withdrawn_at: datetime | None
    period_end: date | None
    source: str
    fact_count: int


class FilingKnown(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a filing where a figure names it."""

    accession: str
    form: str
    filed_on: date
    accepted_at: datetime | None
    known_at: datetime


class _BrokenCheck(msgspec.Struct, frozen=True, kw_only=True):
    accession: str
    check_name: str
    period_start: date | None
    period_end: date
    stated: Decimal
    expected: Decimal


async def broken_checks(snapshot: Snapshot, *, cik: int, accessions: Iterable[str]) -> list[BrokenCheckRow]:
    """This will list the accounting identities some filings of a company break."""
    found = await snapshot.fetch(
        _BrokenCheck, _SQL["broken_checks"], {"cik": cik, "accessions": sorted(set(accessions))}
    )
    return [
        BrokenCheckRow(
            accession=broken.accession,
            check=broken.check_name,
            period_start=broken.period_start,
            period_end=broken.period_end,
            stated=plain(broken.stated),
            expected=plain(broken.expected),
        )
        for broken in found
    ]


async def filings_named(snapshot: Snapshot, *, cik: int, accessions: Iterable[str]) -> dict[str, FilingKnown]:
    """This will read some filings of a company, by accession."""
    found = await snapshot.fetch(FilingKnown, _SQL["by_accession"], {"cik": cik, "accessions": sorted(set(accessions))})
    return {filing.accession: filing for filing in found}


async def list_filings(sources: ReadSources, query: FilingsQuery) -> Result:
    """
    This will list a company's filings, the one that became known last first.

    Raises:
        QueryError: no company, or more than one, is meant; or the cursor is not of this question.
    """
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    after = read_cursor(question, query.cursor, tuple[datetime, str]) if query.cursor else (None, None)
    async with sources.snapshot() as snapshot:
        company = await find_company(snapshot, query.company)
        found = await snapshot.fetch(
            _Filing,
            _SQL["of_company"],
            {
                "cik": company.cik,
                "form": query.form,
                "as_of": query.as_of,
                "after_known_at": after[0],
                "after_accession": after[1],
                "limit": query.limit + 1,
            },
        )
        page = found[: query.limit]
        checks: dict[str, list[BrokenCheckRow]] = defaultdict(list)
        for check in await broken_checks(snapshot, cik=company.cik, accessions=[filing.accession for filing in page]):
            checks[check.accession].append(check)
        more = len(found) > query.limit
        next_cursor = write_cursor(question, (page[-1].known_at, page[-1].accession)) if more else None
        return Result(
            read_model=FILING,
            meta=meta_of(snapshot.freshness, as_of=query.as_of, next_cursor=next_cursor),
            rows=[
                FilingRow(
                    company=company.display,
                    url=document_url(cik=filing.cik, accession=filing.accession),
                    broken_checks=checks[filing.accession],
                    **msgspec.structs.asdict(filing),
                )
                for filing in page
            ],
        )
