"""The SEC's submissions files: a company's name, classification and tickers, and when each filing was accepted."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from commands.companies.change_tickers import ChangeTickers
from commands.companies.events import FormerNames
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.register_company import RegisterCompany
from commands.companies.rename_company import RenameCompany
from commands.sources.documents import (
    UNDECODABLE,
    Document,
    DocumentAddress,
    DocumentReader,
    cik_in_name,
    find_documents,
    is_left_out,
)
from commands.sources.filer_status import size_class_of
from commands.sources.places import country_of
from commands.sources.reading import FileRead, Item, Proposal, Reading, Skipped
from commands.sources.values import ValueUnusable, check_accession, parse_instant, read_cik
from commands.times import day_errors

EASTERN = ZoneInfo("America/New_York")

_CONTINUATION = re.compile(r"-submissions-[0-9]+")


class _Filings(
    msgspec.Struct,
    rename={
        "accessions": "accessionNumber",
        "filed": "filingDate",
        "accepted": "acceptanceDateTime",
        "forms": "form",
        "with_xbrl": "isXBRL",
    },
):
    accessions: list[str] = []
    filed: list[str] = []
    accepted: list[str] = []
    forms: list[str] = []
    with_xbrl: list[int] = []


class _Index(msgspec.Struct):
    recent: _Filings = msgspec.field(default_factory=_Filings)


class _Address(msgspec.Struct, rename={"place": "stateOrCountry", "abroad": "countryCode"}):
    place: str | None = None
    abroad: str | None = None


class _Addresses(msgspec.Struct):
    business: _Address | None = None


class _FormerName(msgspec.Struct, rename={"until": "to"}):
    name: str | None = None
    until: str | None = None


class _Submissions(msgspec.Struct, rename={"incorporated_in": "stateOfIncorporation", "former_names": "formerNames"}):
    cik: int | str | None = None
    name: str | None = None
    sic: str | None = None
    tickers: list[str | None] = []
    former_names: list[_FormerName] | None = None
    incorporated_in: str | None = None
    category: str | None = None
    addresses: _Addresses | None = None
    filings: _Index | None = None


_decode = msgspec.json.Decoder(_Submissions).decode
_decode_continuation = msgspec.json.Decoder(_Filings).decode


def read_submissions(paths: Iterable[Path]) -> Reading:
    """
    This will read submissions files (.json, .json.gz), folders of them and the SEC's submissions.zip.

    The files of one company count as one, loose ones or those in one archive: what the file with the newest filing says
    of the company holds, and of an acceptance time that several files tell, its newest telling. Archives come in the
    order of `paths`, loose files after them.
    """
    with DocumentReader() as reader:
        for addresses in _by_company(find_documents(paths)):
            if isinstance(addresses, Skipped):
                yield addresses
                continue
            documents = [reader.read(address) for address in addresses]
            sound = sorted((document for document in documents if isinstance(document, Document)), key=_vintage)
            yield from (document for document in documents if isinstance(document, Skipped))
            parsed = [list(parse_submissions(document)) for document in sound]
            yield from _as_one(parsed)
            for document, items in zip(sound, parsed, strict=True):
                if not any(is_left_out(document, item) for item in items):
                    yield FileRead(place=document.place)


def parse_submissions(document: Document) -> Iterator[Item]:
    """
    This will propose what one submissions document says of its company: name, SIC code, country, size class, tickers,
    and the acceptance times of its filings with XBRL data.

    A continuation file (CIK…-submissions-001) has acceptance times only; its company is named by the file.
    """
    continuation = _CONTINUATION.search(document.name) is not None
    try:
        company = _Submissions() if continuation else _decode(document.content)
        filings = _decode_continuation(document.content) if continuation else _filings_of(company)
    except UNDECODABLE as error:
        yield Skipped(place=document.place, reason=f"it is not a complete submissions document: {error}")
        return
    try:
        cik = read_cik(str((cik_in_name(document.name) if continuation else company.cik) or "").strip())
    except ValueUnusable as error:
        yield Skipped(place=document.place, reason=str(error))
        return
    if not continuation:
        yield from _company_of(company, cik, document.place)
    accepted, skipped = acceptance_times(filings, place=document.place)
    yield from skipped
    if accepted:
        yield Proposal(place=document.place, command=RecordAcceptance(cik=cik, filings=accepted))


def _company_of(company: _Submissions, cik: int, place: str) -> Iterator[Proposal]:
    name = (company.name or "").strip() or f"CIK{cik:010}"
    sic = (company.sic or "").strip()
    sic = sic.zfill(4) if sic.isascii() and sic.isdigit() and len(sic) <= 4 else ""
    tickers = tuple(dict.fromkeys(ticker.strip().upper() for ticker in company.tickers if ticker and ticker.strip()))
    business = (company.addresses and company.addresses.business) or _Address()
    countries = map(country_of, (business.place, business.abroad, company.incorporated_in))
    country = next(filter(None, countries), None)
    size_class = size_class_of(company.category)
    yield Proposal(
        place=place,
        command=RegisterCompany(
            cik=cik, name=name, sic=sic or None, country=country, tickers=tickers, size_class=size_class
        ),
        condition="unregistered",
    )
    former_names = _former_names(company.former_names, name=name)
    yield Proposal(place=place, command=RenameCompany(cik=cik, name=name, former_names=former_names))
    if sic or country or size_class:
        yield Proposal(
            place=place,
            command=ReclassifyCompany(cik=cik, sic=sic or None, country=country, size_class=size_class),
        )
    yield Proposal(place=place, command=ChangeTickers(cik=cik, tickers=tickers))


def _former_names(listed: Iterable[_FormerName] | None, *, name: str) -> FormerNames | None:
    """
    Names with the last day of their use, in the order of the alphabet.

    The file writes days as midnight in UTC or in New York, which is the same day, and may list the name of today.
    """
    if listed is None:
        return None
    former: dict[str, date | None] = {}
    for each in listed:
        of_old, until = (each.name or "").strip(), _day(each.until)
        if of_old and of_old != name:
            held = former.get(of_old)
            former[of_old] = max(held, until) if held and until else until or held
    return tuple(sorted(former.items()))


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
    return None if any(day_errors(day, pointer="")) else day


def acceptance_times(filings: _Filings, *, place: str) -> tuple[tuple[tuple[str, datetime], ...], tuple[Skipped, ...]]:
    """
    This will give the acceptance times (UTC) of the filings that carry XBRL data, in order of accession.

    The file writes its times with a Z. Some vintages mean UTC by it, others write US Eastern time all the same;
    read as UTC, those show filings accepted while EDGAR was closed (10 p.m. to 6 a.m. Eastern), and are taken as
    Eastern.
    """
    times: dict[str, datetime] = {}
    skipped: list[Skipped] = []
    written: list[tuple[str, datetime]] = []
    clock = _Clock()
    columns = (filings.accessions, filings.accepted, filings.forms, filings.filed, filings.with_xbrl)
    if len({len(column) for column in columns}) != 1:
        return (), (Skipped(place=place, reason="the columns of its filing table differ in length"),)
    for accession, text, form, filed, is_xbrl in zip(*columns, strict=True):
        try:
            moment = parse_instant(text, zone=UTC)
            clock.observe(moment, form=form, filed=filed)
            if is_xbrl:
                check_accession(accession)
                written.append((accession, moment))
        except ValueUnusable as error:
            if is_xbrl:
                skipped.append(Skipped(place=f"{place}: {accession[:40]}", reason=f"acceptance time: {error}"))
    eastern = clock.is_eastern()
    for accession, moment in written:
        times[accession] = moment.replace(tzinfo=EASTERN).astimezone(UTC) if eastern else moment
    return tuple(sorted(times.items())), tuple(skipped)


class _Clock:
    """Tells by which clock a file's acceptance times were written, by the hours at which EDGAR takes no filings."""

    # The oldest rows of every file are UTC whatever the rest is, and the staff's own forms are dated at midnight.
    FIRST_TELLING_DAY = "2004-01-01"
    FORMS_BY_STAFF = frozenset({"EFFECT", "QUALIF", "UPLOAD", "CORRESP", "LETTER", "NO ACT"})

    def __init__(self) -> None:
        self.eastern = 0
        self.utc = 0

    def observe(self, moment: datetime, *, form: str, filed: str) -> None:
        if filed < self.FIRST_TELLING_DAY or form in self.FORMS_BY_STAFF:
            return
        hour_if_eastern = moment.hour
        hour_if_utc = moment.astimezone(EASTERN).hour
        open_if_eastern, open_if_utc = 6 <= hour_if_eastern < 22, 6 <= hour_if_utc < 22
        self.eastern += open_if_eastern and not open_if_utc
        self.utc += open_if_utc and not open_if_eastern

    def is_eastern(self) -> bool:
        return self.eastern > self.utc


def _filings_of(company: _Submissions) -> _Filings:
    return company.filings.recent if company.filings else _Filings()


def _as_one(readings: Sequence[list[Item]]) -> Iterator[Item]:
    """This will combine what several vintages of one company's file propose, oldest first, so that none is undone."""
    about: list[Proposal] = []
    accepted: dict[str, datetime] = {}
    place = ""
    for items in readings:
        of_vintage: list[Proposal] = []
        for item in items:
            if not isinstance(item, Proposal):
                yield item
            elif isinstance(item.command, RecordAcceptance):
                accepted.update(item.command.filings)
                place, cik = item.place, item.command.cik
            else:
                of_vintage.append(item)
        about = of_vintage or about
    yield from about
    if accepted:
        yield Proposal(place=place, command=RecordAcceptance(cik=cik, filings=tuple(sorted(accepted.items()))))


def _by_company(addresses: Iterable[DocumentAddress | Skipped]) -> Iterator[list[DocumentAddress] | Skipped]:
    """
    This will group addresses by the CIK in their names: all loose files, and of an archive, in which the members
    are too many to be kept in mind, those that follow each other.
    """
    loose: dict[object, list[DocumentAddress]] = {}
    members: list[DocumentAddress] = []
    for address in addresses:
        if isinstance(address, Skipped):
            yield address
        elif address.member is None:
            loose.setdefault(cik_in_name(address.name) or address, []).append(address)
        else:
            of_company = address.path, cik_in_name(address.name)
            if members and (members[0].path, cik_in_name(members[0].name)) != of_company:
                yield members
                members = []
            members.append(address)
    if members:
        yield members
    yield from loose.values()


def _vintage(document: Document) -> str:
    """The day of the newest filing in a document; a continuation file is as old as can be."""
    if _CONTINUATION.search(document.name):
        return ""
    try:
        return max(_filings_of(_decode(document.content)).filed, default="")
    except UNDECODABLE:
        return ""
