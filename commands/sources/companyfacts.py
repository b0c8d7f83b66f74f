"""The SEC's companyfacts files: every standard fact a company has ever filed, one JSON file a company."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from commands.companies.register_company import RegisterCompany
from commands.filings.events import ConceptFacts, FactValue
from commands.filings.report_filing import ReportFiling
from commands.sources.documents import UNDECODABLE, Document, DocumentReader, cik_in_name, find_documents, is_left_out
from commands.sources.reading import FileRead, Item, Proposal, Reading, Skipped
from commands.sources.values import ValueUnusable, canonical_decimal, check_accession, parse_iso_date, read_cik


class _Fact(msgspec.Struct, gc=False):
    end: str
    val: msgspec.Raw
    accn: str
    form: str
    filed: str
    start: str | None = None


class _Concept(msgspec.Struct):
    units: dict[str, list[_Fact]]


class _Company(msgspec.Struct, rename={"entity_name": "entityName"}):
    cik: int | str
    facts: dict[str, dict[str, _Concept]]
    entity_name: str = ""


class _Filing:
    """One filing while its facts are being gathered; `problem` keeps it out as a whole."""

    __slots__ = ("facts", "filed", "form", "problem")

    def __init__(self, *, form: str, filed: str) -> None:
        self.form = form
        self.filed = filed
        self.facts: list[ConceptFacts] = []
        self.problem: str | None = None


class _DocumentUnusable(Exception):
    """Nothing of a document can be taken in; the message says why."""


_decode = msgspec.json.Decoder(_Company).decode

# A key that stands twice in an object vanishes silently in every fast decoder; then there are fewer decoded
# facts than keys in the text. Counting bytes costs a tenth of what a second, strict parse would.
_FACT_KEYS = (b'"val"', b'"accn"', b'"end"', b'"form"', b'"filed"')


def read_companyfacts(paths: Iterable[Path]) -> Reading:
    """
    This will read companyfacts files (.json, .json.gz), folders of them and the SEC's companyfacts.zip, one
    company at a time, and propose a `RegisterCompany` for each and a `ReportFiling` for each accession.
    """
    with DocumentReader() as reader:
        for address in find_documents(paths):
            document = address if isinstance(address, Skipped) else reader.read(address)
            if isinstance(document, Skipped):
                yield document
                continue
            left_out = False
            for item in parse_companyfacts(document):
                yield item
                left_out = left_out or is_left_out(document, item)
            if not left_out:
                yield FileRead(place=document.place)


def parse_companyfacts(document: Document) -> Iterator[Item]:
    """
    This will propose the company of one companyfacts document and each of its filings.

    A filing with one unusable fact is skipped as a whole, so that no filing ever stands there in part.
    The labels `fy`, `fp` and `frame` are not read: they do not identify a period.
    """
    troubles: list[Skipped] = []
    condemned: dict[str, str] = {}
    try:
        company = _decoded(document, troubles=troubles, condemned=condemned)
        cik = _cik_of(company, document)
    except _DocumentUnusable as error:
        yield Skipped(place=document.place, reason=str(error))
        return
    yield from troubles
    yield Proposal(
        place=document.place,
        command=RegisterCompany(cik=cik, name=company.entity_name.strip() or f"CIK{cik:010}"),
        condition="unregistered",
    )
    filings = _filings_of(company, condemned)
    for accession, filing in sorted(filings.items(), key=lambda entry: (entry[1].filed, entry[0])):
        place = f"{document.place}: {accession}"
        if filing.problem is not None:
            yield Skipped(place=place, reason=filing.problem)
            continue
        yield Proposal(
            place=place,
            command=ReportFiling(
                cik=cik,
                accession=accession,
                form=filing.form,
                filed_on=parse_iso_date(filing.filed),
                accepted_at=None,
                source="companyfacts",
                facts=tuple(filing.facts),
                mode="merge",
            ),
        )


def _filings_of(company: _Company, condemned: dict[str, str]) -> dict[str, _Filing]:
    filings: dict[str, _Filing] = {}
    good_dates: set[str] = set()
    concepts = sorted(
        (f"{taxonomy}:{tag}", concept) for taxonomy, tags in company.facts.items() for tag, concept in tags.items()
    )
    for concept_name, concept in concepts:
        for unit in sorted(concept.units):
            _gather(concept_name, unit, concept.units[unit], filings, good_dates)
    for accession, problem in condemned.items():
        filings.setdefault(accession, _Filing(form="", filed="")).problem = problem
    return filings


def _gather(concept: str, unit: str, facts: list[_Fact], filings: dict[str, _Filing], good_dates: set[str]) -> None:
    by_accession: dict[str, list[FactValue]] = {}
    facts.sort(key=_period)
    for fact in facts:
        start, end, accession = fact.start, fact.end, fact.accn
        filing = filings.get(accession)
        if filing is None:
            filing = filings[accession] = _opened(fact)
        try:
            if end not in good_dates:
                parse_iso_date(end)
                good_dates.add(end)
            if start is not None:
                if start not in good_dates:
                    parse_iso_date(start)
                    good_dates.add(start)
                if end < start:
                    raise ValueUnusable(f"the period ends ({end}) before it starts ({start})")
            value = canonical_decimal(str(fact.val, "utf-8"))
            if fact.filed != filing.filed or fact.form != filing.form:
                raise ValueUnusable("other facts of this accession have another form or filing date")
        except ValueUnusable as error:
            filing.problem = filing.problem or f"{concept} in {unit} at {end[:20]}: {error}"
            continue
        values = by_accession.get(accession)
        if values is None:
            by_accession[accession] = [(start, end, value)]
        elif values[-1][1] != end or values[-1][0] != start:
            values.append((start, end, value))
        elif values[-1][2] != value:
            filing.problem = filing.problem or (
                f"{concept} in {unit} at {end}: two values for one period, {values[-1][2]} and {value}"
            )
    for accession, values in by_accession.items():
        filings[accession].facts.append((concept, unit, tuple(values)))


def _opened(fact: _Fact) -> _Filing:
    filing = _Filing(form=fact.form, filed=fact.filed)
    try:
        check_accession(fact.accn)
        parse_iso_date(fact.filed)
    except ValueUnusable as error:
        filing.problem = str(error)
    return filing


def _period(fact: _Fact) -> tuple[str, str]:
    return fact.end, fact.start or ""


def _cik_of(company: _Company, document: Document) -> int:
    try:
        cik = read_cik(str(company.cik).strip())
    except ValueUnusable as error:
        raise _DocumentUnusable(str(error)) from None
    named = cik_in_name(document.name)
    if named is not None and named != cik:
        raise _DocumentUnusable(f"the file is named after CIK {named} but holds CIK {cik}")
    return cik


def _decoded(document: Document, *, troubles: list[Skipped], condemned: dict[str, str]) -> _Company:
    try:
        company = _decode(document.content)
    except UNDECODABLE:
        return _strictly_decoded(document, troubles=troubles, condemned=condemned)
    facts = concepts = starts = 0
    for tags in company.facts.values():
        concepts += len(tags)
        for concept in tags.values():
            for unit_facts in concept.units.values():
                facts += len(unit_facts)
                starts += sum(1 for fact in unit_facts if fact.start is not None)
    content = document.content
    if (
        any(content.count(key) != facts for key in _FACT_KEYS)
        or content.count(b'"start"') != starts
        or content.count(b'"units"') != concepts
        or content.count(b'"facts"') != 1
        or content.count(b'"cik"') != 1
    ):
        return _strictly_decoded(document, troubles=troubles, condemned=condemned)
    return company


class _NotANumber(str):
    """A JSON extension such as NaN where a number belongs."""


class _Repeated(dict[str, Any]):
    """An object in which a key stands twice."""

    repeated_key: str = ""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    seen: set[str] = set()
    repeated = _Repeated(plain)
    for key, _ in pairs:
        if key in seen:
            repeated.repeated_key = key
            break
        seen.add(key)
    return repeated


class _Number(str):
    """A number as it is written, whatever its length."""


def _strictly_decoded(document: Document, *, troubles: list[Skipped], condemned: dict[str, str]) -> _Company:
    """
    This will decode a document that the fast way refused, keep what is sound, and name the place of what is not.

    Raises:
        _DocumentUnusable: the text is no JSON, or a key is repeated above the facts, so that none can be trusted.
    """
    try:
        whole = json.loads(
            document.content,
            object_pairs_hook=_without_repeats,
            parse_constant=_NotANumber,
            parse_float=_Number,
            parse_int=_Number,
        )
    except json.JSONDecodeError as error:
        ends = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        what = "the JSON text ends too early" if ends else f"the JSON text is broken: {error.msg}"
        raise _DocumentUnusable(f"{what} (line {error.lineno}, column {error.colno})") from None
    except UnicodeDecodeError as error:
        raise _DocumentUnusable(f"the text is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise _DocumentUnusable("the JSON text is nested too deeply") from None
    taxonomies = _object(_object(whole, "the document").get("facts"), "facts")
    company = _Company(cik=str(whole.get("cik", "")), entity_name=str(whole.get("entityName") or ""), facts={})
    for taxonomy, tags in taxonomies.items():
        kept_tags = company.facts.setdefault(taxonomy, {})
        for tag, concept in _object(tags, taxonomy).items():
            name = f"{taxonomy}:{tag}"
            units = _object(_object(concept, name).get("units"), f"{name} units")
            kept = kept_tags.setdefault(tag, _Concept(units={}))
            for unit, facts in units.items():
                if not isinstance(facts, list):
                    raise _DocumentUnusable(f"{name} in {unit} holds no list of facts")
                sound = kept.units.setdefault(unit, [])
                for number, fact in enumerate(facts, start=1):
                    problem = _problem_of(fact)
                    if problem is None:
                        sound.append(_as_fact(fact))
                        continue
                    accession = fact.get("accn") if isinstance(fact, dict) else None
                    if isinstance(accession, str):
                        condemned.setdefault(accession, f"{name} in {unit}, fact {number}: {problem}")
                    else:
                        troubles.append(
                            Skipped(place=f"{document.place}: {name} in {unit}, fact {number}", reason=problem)
                        )
    return company


def _object(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, _Repeated):
        raise _DocumentUnusable(f"the key {value.repeated_key!r} stands twice in {what}")
    if not isinstance(value, dict):
        raise _DocumentUnusable(f"{what} is not a JSON object; is this a companyfacts file?")
    return value


def _problem_of(fact: Any) -> str | None:
    if isinstance(fact, _Repeated):
        return f"the key {fact.repeated_key!r} stands twice in one fact"
    if not isinstance(fact, dict):
        return "it is not a JSON object"
    for key in ("accn", "end", "filed", "form"):
        text = fact.get(key)
        if not isinstance(text, str) or isinstance(text, _Number | _NotANumber):
            return f"{key} is missing or not a text"
    start = fact.get("start")
    if start is not None and (not isinstance(start, str) or isinstance(start, _Number | _NotANumber)):
        return "start is not a text"
    value = fact.get("val")
    if isinstance(value, _NotANumber):
        return f"val is {value}, which is not a number"
    if not isinstance(value, _Number):
        return "val is missing or not a number"
    return None


def _as_fact(fact: dict[str, Any]) -> _Fact:
    return _Fact(
        end=fact["end"],
        val=msgspec.Raw(fact["val"].encode()),
        accn=fact["accn"],
        form=fact["form"],
        filed=fact["filed"],
        start=fact.get("start"),
    )
