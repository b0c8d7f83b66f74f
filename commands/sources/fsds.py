"""The SEC's Financial Statement Data Sets: all filings of a quarter, or of a day, as tab-separated tables in a zip."""

import io
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

import msgspec

from commands.companies.events import SizeClass
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.register_company import RegisterCompany
from commands.filings.events import ConceptFacts, FactValue
from commands.filings.report_filing import ReportFiling
from commands.sources.documents import DAMAGED, UNREADABLE, files_under, is_there
from commands.sources.filer_status import size_class_of
from commands.sources.places import country_if_known
from commands.sources.reading import FileRead, Item, Proposal, Reading, Skipped
from commands.sources.values import (
    ValueUnusable,
    canonical_decimal,
    check_accession,
    month_end,
    parse_compact_date,
    parse_instant,
    read_cik,
    start_of_quarters,
)

EASTERN = ZoneInfo("America/New_York")

# How the data sets name the taxonomies whose concepts everybody shares; a version that is an accession marks a
# concept of the filer's own.
_TAXONOMIES = {
    b"us-gaap": b"us-gaap",
    b"ifrs-full": b"ifrs-full",
    b"ifrs": b"ifrs-full",
    b"dei": b"dei",
    b"srt": b"srt",
}

_SUB_COLUMNS = ("adsh", "cik", "name", "form", "filed")
_NUM_COLUMNS = (b"adsh", b"tag", b"version", b"ddate", b"qtrs", b"uom", b"value")

# num.txt is in no order, so its rows are first dealt out by accession to temporary files of about this size
# (unpacked) and each of them is then gathered in memory.
_BYTES_PER_PART = 32 * 1024 * 1024
_BYTES_IN_MEMORY = 64 * 1024 * 1024


class _TableUnusable(Exception):
    """A table of a data set cannot be read as a whole; the message says why."""


class _Submission(msgspec.Struct, frozen=True):
    cik: int
    name: str
    sic: str | None
    country: str | None
    size_class: SizeClass | None
    form: str
    filed_on: date
    accepted_at: datetime | None


def read_fsds(paths: Iterable[Path]) -> Reading:
    """
    This will read data set zips, or folders of them, and propose a `RegisterCompany` and a `ReportFiling` for each
    submission.

    Columns are found by the tables' headers. Consolidated values of standard taxonomies are taken: rows with a
    co-registrant or segments, of the filer's own concepts, or without value are left out. Period ends are month
    ends and durations whole quarters in this source, so a companyfacts file of the same filing replaces it.
    """
    for path in paths:
        for found in files_under(path, suffixes=(".zip",)):
            yield from _read_zip(found)


def _read_zip(path: Path) -> Iterator[Item]:
    if not is_there(path):
        yield Skipped(place=str(path), reason="there is no such file or folder; check the path")
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield from parse_fsds(archive, place=str(path))
    except DAMAGED as error:
        yield Skipped(place=str(path), reason=f"the zip archive is truncated or damaged ({error}); fetch it again")
    except _TableUnusable as error:
        yield Skipped(place=str(path), reason=str(error))
    except UNREADABLE as error:
        yield Skipped(place=str(path), reason=f"it cannot be read: {error}")
    else:
        yield FileRead(place=str(path))


def parse_fsds(archive: zipfile.ZipFile, *, place: str) -> Iterator[Item]:
    """
    This will propose the companies and filings of one data set.

    Nothing is proposed before both tables have been read to their end, so that a damaged archive leaves no trace.
    """
    submissions: dict[str, _Submission] = {}
    problems: dict[str, str] = {}
    yield from _read_submissions(archive, place, submissions, problems)
    with ExitStack() as stack:
        parts = _deal_out(archive, stack, problems)
        for part in parts:
            part.seek(0)
            for accession, rows in sorted(_rows_by_accession(part).items()):
                yield from _propose(accession, rows, submissions, problems, place)
    for accession in sorted(problems):
        yield Skipped(place=f"{place}: {accession}", reason=problems[accession])


def _propose(
    accession: str,
    rows: list[list[str]],
    submissions: dict[str, _Submission],
    problems: dict[str, str],
    place: str,
) -> Iterator[Item]:
    if accession in problems:
        return
    submission = submissions.get(accession)
    if submission is None:
        problems[accession] = "num.txt has values of it, but sub.txt has no such submission"
        return
    try:
        facts = _facts_of(rows)
    except ValueUnusable as error:
        problems[accession] = str(error)
        return
    where = f"{place}: {accession}"
    yield Proposal(
        place=where,
        command=RegisterCompany(
            cik=submission.cik,
            name=submission.name,
            sic=submission.sic,
            country=submission.country,
            size_class=submission.size_class,
        ),
        condition="unregistered",
    )
    if submission.sic or submission.country or submission.size_class:
        yield Proposal(
            place=where,
            command=ReclassifyCompany(
                cik=submission.cik,
                sic=submission.sic,
                country=submission.country,
                size_class=submission.size_class,
            ),
            condition="unclassified",
        )
    yield Proposal(
        place=where,
        command=ReportFiling(
            cik=submission.cik,
            accession=accession,
            form=submission.form,
            filed_on=submission.filed_on,
            accepted_at=submission.accepted_at,
            source="fsds",
            facts=facts,
            mode="merge",
        ),
    )


def _read_submissions(
    archive: zipfile.ZipFile, place: str, submissions: dict[str, _Submission], problems: dict[str, str]
) -> Iterator[Skipped]:
    with _opened(archive, "sub.txt") as table:
        text = io.TextIOWrapper(table, encoding="utf-8", errors="replace", newline="\n")
        header = text.readline().rstrip("\r\n").split("\t")
        missing = [name for name in _SUB_COLUMNS if name not in header]
        if missing:
            raise _TableUnusable(f"sub.txt has no column {', '.join(missing)}")
        for number, line in enumerate(text, start=2):
            cells = line.rstrip("\r\n").split("\t")
            if len(cells) != len(header):
                yield Skipped(
                    place=f"{place}: sub.txt line {number}",
                    reason=f"it has {len(cells)} columns where the header has {len(header)}",
                )
                continue
            row = dict(zip(header, cells, strict=True))
            accession = row["adsh"]
            try:
                check_accession(accession)
            except ValueUnusable as error:
                yield Skipped(place=f"{place}: sub.txt line {number}", reason=str(error))
                continue
            try:
                submissions[accession] = _submission(row)
            except ValueUnusable as error:
                problems[accession] = f"sub.txt line {number}: {error}"


def _submission(row: dict[str, str]) -> _Submission:
    cik = read_cik(row["cik"].strip())
    sic = row.get("sic", "").strip()
    if sic and not (sic.isascii() and sic.isdigit() and len(sic) <= 4):
        raise ValueUnusable(f"sic {sic[:20]!r} is not a number of up to four digits")
    accepted = row.get("accepted", "").strip()
    countries = (country_if_known(row.get(column, "").strip()) for column in ("countryba", "countryinc"))
    return _Submission(
        cik=int(cik),
        name=row["name"].strip() or f"CIK{int(cik):010}",
        sic=sic.zfill(4) if sic else None,
        country=next(filter(None, countries), None),
        size_class=size_class_of(row.get("afs")),
        form=row["form"],
        filed_on=parse_compact_date(row["filed"]),
        accepted_at=parse_instant(accepted, zone=EASTERN) if accepted else None,
    )


def _deal_out(archive: zipfile.ZipFile, stack: ExitStack, problems: dict[str, str]) -> list[IO[bytes]]:
    count = max(1, -(-_member(archive, "num.txt").file_size // _BYTES_PER_PART))
    parts: list[IO[bytes]] = []
    for _ in range(count):
        part = tempfile.SpooledTemporaryFile(max_size=_BYTES_IN_MEMORY // count)  # noqa: SIM115  # the stack closes it
        parts.append(stack.enter_context(part))
    with _opened(archive, "num.txt") as table:
        header = table.readline().rstrip(b"\r\n").split(b"\t")
        missing = [name.decode() for name in _NUM_COLUMNS if name not in header]
        if missing:
            raise _TableUnusable(f"num.txt has no column {', '.join(missing)}")
        adsh, tag, version, ddate, qtrs, uom, value = (header.index(name) for name in _NUM_COLUMNS)
        not_consolidated = [header.index(name) for name in (b"coreg", b"segments") if name in header]
        width = len(header)
        for number, line in enumerate(table, start=2):
            cells = line.rstrip(b"\r\n").split(b"\t")
            if len(cells) != width:
                name = cells[0].decode("utf-8", "replace") if adsh == 0 else ""
                problems.setdefault(
                    name or f"num.txt line {number}",
                    f"num.txt line {number} has {len(cells)} columns where the header has {width}",
                )
                continue
            if not cells[value] or any(cells[index] for index in not_consolidated):
                continue
            taxonomy = _TAXONOMIES.get(cells[version].partition(b"/")[0])
            if taxonomy is None:
                continue
            parts[zlib.crc32(cells[adsh]) % len(parts)].write(
                b"\t".join((cells[adsh], taxonomy, cells[tag], cells[uom], cells[ddate], cells[qtrs], cells[value]))
                + b"\n"
            )
    return parts


def _rows_by_accession(part: IO[bytes]) -> dict[str, list[list[str]]]:
    rows: dict[str, list[list[str]]] = {}
    for line in part:
        accession, *cells = line.decode("utf-8", "replace").rstrip("\n").split("\t")
        rows.setdefault(accession, []).append(cells)
    return rows


def _facts_of(rows: list[list[str]]) -> tuple[ConceptFacts, ...]:
    values: dict[tuple[str, str], dict[tuple[str, str], FactValue]] = {}
    for taxonomy, tag, unit, ddate, qtrs, text in rows:
        concept = f"{taxonomy}:{tag}"
        try:
            start, end = _period(ddate, qtrs)
            value = canonical_decimal(text)
        except ValueUnusable as error:
            raise ValueUnusable(f"{concept} in {unit} at {ddate[:20]}: {error}") from None
        by_period = values.setdefault((concept, unit), {})
        known = by_period.get((end, start or ""))
        if known is not None and known[2] != value:
            raise ValueUnusable(f"{concept} in {unit} at {end}: two values for one period, {known[2]} and {value}")
        by_period[end, start or ""] = (start, end, value)
    return tuple(
        (concept, unit, tuple(by_period[period] for period in sorted(by_period)))
        for (concept, unit), by_period in sorted(values.items())
    )


@lru_cache(maxsize=4096)
def _period(ddate: str, qtrs: str) -> tuple[str | None, str]:
    end = month_end(parse_compact_date(ddate))
    if qtrs == "0":
        return None, end.isoformat()
    if not (qtrs.isascii() and qtrs.isdigit() and len(qtrs) <= 3):
        raise ValueUnusable(f"qtrs {qtrs[:20]!r} is not a number of quarters")
    if end.year * 12 + end.month - 3 * int(qtrs) < 12:
        raise ValueUnusable(f"{qtrs} quarters before {end} there is no date")
    return start_of_quarters(end=end, quarters=int(qtrs)).isoformat(), end.isoformat()


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError:
        raise _TableUnusable(f"the zip archive holds no {name}; is this a Financial Statement Data Set?") from None


def _opened(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(_member(archive, name))
