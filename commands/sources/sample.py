"""
The sample: real figures of some companies in one small file, in a format of this project.

The format is described for its readers in sample/README.md.
"""

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from commands.companies.change_tickers import ChangeTickers
from commands.companies.events import SizeClass
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.register_company import RegisterCompany
from commands.companies.rename_company import RenameCompany
from commands.filings.events import ConceptFacts, FactValue
from commands.filings.report_filing import ReportFiling
from commands.sources.documents import UNDECODABLE, files_under
from commands.sources.reading import FileRead, Item, Proposal, Reading, Skipped
from commands.sources.values import ValueUnusable, canonical_decimal, check_accession, parse_iso_date

SUFFIX = ".jsonl.gz"

Period = tuple[str | None, str]


class SampleFiling(msgspec.Struct, frozen=True, array_like=True):
    """A filing of a sample company; `accepted_at` is left out where it is not known."""

    accession: str
    form: str
    filed_on: str
    accepted_at: datetime | None = None


class SampleFacts(msgspec.Struct, frozen=True, array_like=True):
    """All values of one concept in one unit: for each its period's and its filing's place in the company's lists."""

    concept: str
    unit: str
    periods: list[int]
    filings: list[int]
    values: list[msgspec.Raw]


class SampleCompany(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a sample file."""

    cik: int
    name: str
    sic: str | None = None
    country: str | None = None
    tickers: tuple[str, ...] = ()
    size_class: SizeClass | None = None
    source: Literal["sample", "fsds"] = "sample"
    filings: list[SampleFiling]
    periods: list[Period]
    facts: list[SampleFacts]


_decode = msgspec.json.Decoder(SampleCompany).decode
_encode = msgspec.json.Encoder().encode


def read_sample(paths: Iterable[Path]) -> Reading:
    """This will read sample files, or folders of them, and propose each company and its filings in filing order."""
    for path in paths:
        for found in files_under(path, suffixes=(SUFFIX,)):
            yield from _read_file(found)


def _read_file(path: Path) -> Iterator[Item]:
    try:
        with gzip.open(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield from parse_sample_line(line, place=f"{path}: line {number}")
    except FileNotFoundError:
        yield Skipped(place=str(path), reason="there is no such file or folder; check the path")
    except (OSError, EOFError, zlib.error) as error:
        yield Skipped(place=str(path), reason=f"it cannot be read, perhaps it is truncated: {error}")
    else:
        yield FileRead(place=str(path))


def parse_sample_line(line: bytes, *, place: str) -> Iterator[Item]:
    """This will propose the company of one line and its filings; a line with an unusable value is skipped whole."""
    try:
        company = _decode(line)
        filings = list(_filings_of(company))
    except (*UNDECODABLE, ValueUnusable, IndexError) as error:
        yield Skipped(place=place, reason=f"it is no sound line of a sample file: {error}")
        return
    yield Proposal(
        place=place,
        command=RegisterCompany(
            cik=company.cik,
            name=company.name,
            sic=company.sic,
            country=company.country,
            tickers=company.tickers,
            size_class=company.size_class,
        ),
        condition="unregistered",
    )
    for filing in filings:
        yield Proposal(place=f"{place}, {filing.accession}", command=filing)


def _filings_of(company: SampleCompany) -> Iterator[ReportFiling]:
    facts: list[list[ConceptFacts]] = [[] for _ in company.filings]
    for start, end in company.periods:
        parse_iso_date(end)
        if start is not None and end < start:
            raise ValueUnusable(f"a period ends ({end}) before it starts ({start})")
    for row in company.facts:
        if not len(row.periods) == len(row.filings) == len(row.values):
            raise ValueUnusable(f"the columns of {row.concept} in {row.unit} differ in length")
        values: dict[int, list[FactValue]] = {}
        for period, filing, value in zip(row.periods, row.filings, row.values, strict=True):
            values.setdefault(filing, []).append((*company.periods[period], canonical_decimal(str(value, "utf-8"))))
        for filing, of_filing in values.items():
            of_filing.sort(key=_period_order)
            facts[filing].append((row.concept, row.unit, tuple(of_filing)))
    for filing_row, filing_facts in zip(company.filings, facts, strict=True):
        check_accession(filing_row.accession)
        yield ReportFiling(
            cik=company.cik,
            accession=filing_row.accession,
            form=filing_row.form,
            filed_on=parse_iso_date(filing_row.filed_on),
            accepted_at=filing_row.accepted_at,
            source=company.source,
            facts=tuple(sorted(filing_facts)),
            mode="merge",
        )


def write_sample(companies: Iterable[SampleCompany], path: Path) -> None:
    """This will write a sample file; the same companies always give the same bytes."""
    text = io.BytesIO()
    # No name and no time in the header, so that nothing but the content decides the bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=text, compresslevel=9, mtime=0) as lines:
        for company in companies:
            lines.write(_encode(company) + b"\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue())


class Details(msgspec.Struct):
    """What some sources say of one company beside its figures."""

    name: str | None = None
    sic: str | None = None
    country: str | None = None
    size_class: SizeClass | None = None
    tickers: tuple[str, ...] = ()
    accepted: dict[str, datetime] = {}


def collect_details(items: Iterable[Item]) -> dict[int, Details]:
    """This will gather names, classifications, tickers and acceptance times by CIK; what comes later counts more."""
    details: dict[int, Details] = {}
    for item in items:
        if not isinstance(item, Proposal):
            continue
        of_company = details.setdefault(item.command.cik, Details())
        match item.command:
            case RenameCompany(name=name):
                of_company.name = name
            case ReclassifyCompany(sic=sic, country=country, size_class=size_class):
                of_company.sic = sic or of_company.sic
                of_company.country = country or of_company.country
                of_company.size_class = size_class or of_company.size_class
            case ChangeTickers(tickers=tickers):
                of_company.tickers = tickers
            case RecordAcceptance(filings=filings):
                of_company.accepted.update(filings)
    return details


class CompanyFilings(msgspec.Struct):
    """A company as one source has it, before anything is left out."""

    registered: RegisterCompany
    filings: dict[str, ReportFiling] = {}

    @property
    def fact_count(self) -> int:
        """How many values its filings have."""
        return sum(len(values) for filing in self.filings.values() for _, _, values in filing.facts)


def collect_filings(items: Iterable[Item], *, concepts: frozenset[str]) -> dict[int, CompanyFilings]:
    """
    This will gather companies with their filings, keeping only the facts of some concepts.

    Where an accession comes more than once, from two vintages of a file, its last copy is taken.
    """
    companies: dict[int, CompanyFilings] = {}
    for item in items:
        if not isinstance(item, Proposal):
            continue
        match item.command:
            case RegisterCompany(cik=cik) as registered:
                companies.setdefault(cik, CompanyFilings(registered=registered)).registered = registered
            case ReportFiling(cik=cik) as filing:
                facts = tuple(entry for entry in filing.facts if entry[0] in concepts)
                if facts:
                    companies[cik].filings[filing.accession] = msgspec.structs.replace(filing, facts=facts)
    return {cik: company for cik, company in companies.items() if company.filings}


def sample_company(
    company: CompanyFilings, details: Details, *, source: Literal["sample", "fsds"] = "sample"
) -> SampleCompany:
    """This will put a company into the form of a line: its filings in order, its periods and values in columns."""
    ordered = sorted(company.filings.values(), key=lambda filing: (filing.filed_on, filing.accession))
    periods = sorted(
        {(start, end) for filing in ordered for _, _, values in filing.facts for start, end, _ in values},
        key=_period_order,
    )
    place_of = {period: place for place, period in enumerate(periods)}
    rows: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for number, filing in enumerate(ordered):
        for concept, unit, values in filing.facts:
            rows.setdefault((concept, unit), []).extend(
                (place_of[start, end], number, value) for start, end, value in values
            )
    return SampleCompany(
        cik=company.registered.cik,
        name=details.name or company.registered.name,
        sic=details.sic or company.registered.sic,
        country=details.country or company.registered.country,
        tickers=details.tickers,
        size_class=details.size_class or company.registered.size_class,
        source=source,
        filings=[
            SampleFiling(
                filing.accession,
                filing.form,
                filing.filed_on.isoformat(),
                details.accepted.get(filing.accession, filing.accepted_at),
            )
            for filing in ordered
        ],
        periods=periods,
        facts=[
            SampleFacts(
                concept,
                unit,
                [period for period, _, _ in sorted(of_concept)],
                [filing for _, filing, _ in sorted(of_concept)],
                [msgspec.Raw(value.encode()) for _, _, value in sorted(of_concept)],
            )
            for (concept, unit), of_concept in sorted(rows.items())
        ],
    )


def _period_order(period: tuple[str | None, str] | FactValue) -> tuple[str, str]:
    return period[1], period[0] or ""
