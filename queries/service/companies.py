"""Which companies are there, and which one a reader means."""

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated

import msgspec

from queries.connections import ReadSources
from queries.errors import QueryError
from queries.read_models.company import COMPANY, CompanyRow, FormerNameRow, LinkRow
from queries.service.arguments import Cursor, Query, argument
from queries.service.cursor import read_cursor, write_cursor
from queries.service.lineage import Predecessor, links_of
from queries.service.members import Classed
from queries.service.result import Result, meta_of
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("companies.sql")
_CIK = re.compile(r"(?:cik[: ]?)?(\d{1,10})", re.IGNORECASE)
_CANDIDATES = 5
_COMPARED_LETTERS = 60
_MEANS_FIRST = ("cik", "ticker", "name", "former name")

CompanyReference = Annotated[
    str,
    argument(
        "A company: its CIK, a ticker, or its exact name, of today or before.",
        example="AAPL",
        min_length=1,
        max_length=200,
    ),
]


class CompaniesQuery(Query, frozen=True, kw_only=True):
    """Which companies to list."""

    q: Annotated[
        str | None,
        argument(
            "Beginning of a ticker, a name of today or before, a word of a name, or a CIK.",
            example="app",
            max_length=100,
        ),
    ] = None
    sector: Annotated[
        str | None, argument("Only companies of this sector.", example="manufacturing", max_length=60)
    ] = None
    industry: Annotated[
        str | None, argument("Only companies of this four-digit SIC industry.", example="3571", pattern=r"^\d{4}$")
    ] = None
    limit: Annotated[int, argument("Companies a page.", example=50, ge=1, le=1000)] = 100
    cursor: Cursor = None


class CompanyQuery(Query, frozen=True, kw_only=True):
    """Which company to show."""

    company: Annotated[
        str,
        argument(
            "A company: its CIK, a ticker, or its exact name, of today or before.",
            example="AAPL",
            min_length=1,
            max_length=200,
            in_path=True,
        ),
    ]


class Company(Classed, frozen=True, kw_only=True):
    """A company as the tables hold it, with the groups it is in today."""

    cik: int
    name: str
    tickers: list[str]
    sic: str | None
    latest_fiscal_year_end: date | None
    sic_then: str | None = None
    """In an answer as of an instant the SIC code it had then; nothing else tells what it was taken for."""
    parked: bool = False
    """Whether events of the company wait behind one that could not be read."""

    @property
    def display(self) -> str:
        """The ticker, or the name where there is none."""
        return self.tickers[0] if self.tickers else self.name

    @property
    def sics(self) -> tuple[str | None, ...]:
        """The SIC codes by which a metric has to make sense for it: figures are worked out by that of today."""
        return self.sic, self.sic_then


class _Referenced(Company, frozen=True, kw_only=True):
    reference: str
    by: str


class FoundCompany(Company, frozen=True, kw_only=True):
    """A company that fits what was searched for; `former_name` is one by which it does."""

    rank: int
    sort_name: str
    former_name: str | None


class _FormerName(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    name: str
    until: date | None


class _Past(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    sic: str | None
    latest_fiscal_year_end: date | None


class _Near(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    name: str
    tickers: list[str]


async def list_companies(sources: ReadSources, query: CompaniesQuery) -> Result:
    """This will list companies, best fit first, then by name."""
    async with sources.snapshot() as snapshot:
        found, next_cursor = await search_page(snapshot, query)
        return Result(
            read_model=COMPANY,
            meta=meta_of(snapshot.freshness, next_cursor=next_cursor),
            rows=await _rows(snapshot, found),
        )


async def show_company(sources: ReadSources, query: CompanyQuery) -> Result:
    """
    This will show one company.

    Raises:
        QueryError: no company, or more than one, is meant.
    """
    async with sources.snapshot() as snapshot:
        company = await find_company(snapshot, query.company)
        return Result(read_model=COMPANY, meta=meta_of(snapshot.freshness), rows=await _rows(snapshot, [company]))


async def search_page(snapshot: Snapshot, query: CompaniesQuery) -> tuple[Sequence[FoundCompany], str | None]:
    """This will give one page of the companies that fit, and the cursor of the next page."""
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    after = read_cursor(question, query.cursor, tuple[int, str, int]) if query.cursor else (None, None, None)
    text = (query.q or "").strip().lower()
    digits = _CIK.fullmatch(text)
    found = await snapshot.fetch(
        FoundCompany,
        _SQL["search"],
        {
            "text": text,
            "digits": digits[1].lstrip("0") if digits else "-",
            "sector": None if query.sector is None else query.sector.lower(),
            "industry": query.industry,
            "after_rank": after[0],
            "after_name": after[1],
            "after_cik": after[2],
            "limit": query.limit + 1,
        },
    )
    if len(found) <= query.limit:
        return found, None
    page = found[: query.limit]
    last = page[-1]
    return page, write_cursor(question, (last.rank, last.sort_name, last.cik))


def cik_of(reference: str) -> int | None:
    """The CIK a reference to a company is; None for a ticker or a name."""
    match = _CIK.fullmatch(reference.strip())
    return int(match[1]) if match else None


async def find_company(snapshot: Snapshot, reference: str) -> Company:
    """
    This will find the one company a reference means.

    Raises:
        QueryError: no company, or more than one, is meant; `candidates` say which ones may be.
    """
    return (await find_companies(snapshot, (reference,)))[0]


async def find_companies(snapshot: Snapshot, references: Sequence[str]) -> list[Company]:
    """
    This will find the company each reference means, in the order asked, each company once.

    Raises:
        QueryError: a reference means no company, or more than one.
    """
    by_cik = {reference: cik for reference in references if (cik := cik_of(reference)) is not None}
    names = [reference for reference in references if reference not in by_cik]
    version = snapshot.version
    rows: list[_Referenced] = []
    if by_cik:
        asked = {"references": list(by_cik), "ciks": list(by_cik.values()), "version": version}
        rows += await snapshot.fetch(_Referenced, _SQL["by_cik"], asked)
    if names:
        rows += await snapshot.fetch(_Referenced, _SQL["by_name"], {"references": names, "version": version})
    chosen: dict[int, Company] = {}
    for reference in references:
        meant = [row for row in rows if row.reference == reference]
        meant = next(filter(None, ([row for row in meant if row.by == by] for by in _MEANS_FIRST)), [])
        if not meant:
            raise await _unknown_company(snapshot, reference)
        if len(meant) > 1:
            raise QueryError(
                code="ambiguous_company",
                message=f"{reference!r} is the {meant[0].by} of {len(meant)} companies",
                fix="Ask again with one of the candidates' CIK.",
                candidates=[_candidate(row.cik, row.name, row.tickers) for row in meant],
            )
        chosen.setdefault(meant[0].cik, meant[0])
    return list(chosen.values())


async def as_known_at(
    snapshot: Snapshot, companies: Sequence[Company], as_of: datetime | None, *, earlier: Sequence[Predecessor] = ()
) -> list[Company]:
    """
    This will give the same companies with the SIC code and latest fiscal year end of an instant; unchanged without one.

    The fiscal year of a company that had not reported then is that of its predecessors.
    """
    if as_of is None:
        return list(companies)
    ciks = {company.cik for company in companies} | {each.origin for each in earlier}
    found = await snapshot.fetch(_Past, _SQL["as_known_at"], {"ciks": sorted(ciks), "as_of": as_of})
    past = {each.cik: each for each in found}

    def year_end(cik: int) -> date | None:
        ends = (past[each.origin].latest_fiscal_year_end for each in earlier if each.cik == cik)
        return past[cik].latest_fiscal_year_end or max(filter(None, ends), default=None)

    return [
        msgspec.structs.replace(company, sic_then=past[company.cik].sic, latest_fiscal_year_end=year_end(company.cik))
        for company in companies
    ]


async def _unknown_company(snapshot: Snapshot, reference: str) -> QueryError:
    wanted = reference.strip().lower()
    plain = re.sub(r"[%_\\]", "", wanted)
    near: list[_Near] = []
    for letters in (2, 1):
        near = near or await snapshot.fetch(_Near, _SQL["near"], {"prefix": f"{plain[:letters]}%"})
    return QueryError(
        code="unknown_company",
        message=f"there is no company {reference!r}",
        fix="Use a CIK, a ticker or the exact name; /v1/companies?q= finds them by their beginning.",
        candidates=[_candidate(row.cik, row.name, row.tickers) for row in _nearest(wanted, near)],
    )


def _nearest(wanted: str, rows: Sequence[_Near]) -> list[_Near]:
    """The companies whose name or ticker is most like a text."""
    wanted = wanted[:_COMPARED_LETTERS]
    matcher = difflib.SequenceMatcher(b=wanted)

    def unlike(row: _Near, likeness: Callable[[], float]) -> tuple[float, int]:
        most = 0.0
        for name in (row.name, *row.tickers):
            matcher.set_seq1(name.lower()[: len(wanted) + 4])
            most = max(most, likeness())
        return -most, row.cik

    # To compare words takes long, and nobody else is answered meanwhile; which letters they have is soon seen.
    alike = sorted(rows, key=lambda row: unlike(row, matcher.quick_ratio))[: 2 * _CANDIDATES]
    return sorted(alike, key=lambda row: unlike(row, matcher.ratio))[:_CANDIDATES]


def _candidate(cik: int, name: str, tickers: Sequence[str]) -> str:
    return f"{cik} {name}" + (f" ({', '.join(tickers)})" if tickers else "")


async def _rows(snapshot: Snapshot, companies: Sequence[Company]) -> list[CompanyRow]:
    ciks = [company.cik for company in companies]
    links = await links_of(snapshot, ciks)
    former_names: dict[int, list[FormerNameRow]] = defaultdict(list)
    for former in await snapshot.fetch(_FormerName, _SQL["former_names"], {"ciks": ciks}):
        former_names[former.cik].append(FormerNameRow(name=former.name, until=former.until))
    return [
        CompanyRow(
            company=company.display,
            cik=company.cik,
            name=company.name,
            tickers=company.tickers,
            sic=company.sic,
            sector=company.sector,
            industry=company.industry,
            major_group=company.major_group,
            country=company.country,
            size_class=company.size_class,
            latest_fiscal_year_end=company.latest_fiscal_year_end,
            former_names=former_names[company.cik],
            predecessors=[
                LinkRow(cik=link.predecessor_cik, company=link.predecessor, effective_on=link.effective_on)
                for link in links
                if link.cik == company.cik
            ],
            successors=[
                LinkRow(cik=link.cik, company=link.successor, effective_on=link.effective_on)
                for link in links
                if link.predecessor_cik == company.cik
            ],
        )
        for company in companies
    ]
