"""A batch of events, and what it amounts to on top of what the tables held before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache, singledispatch
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from commands.companies import events as company_events
from commands.filings import events as filing_events
from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.figures.changes import Change, changes_of
from projections.figures.filed_facts import period_ends, relevant_ends
from projections.figures.rows import CompanyRow, FilingKey, FilingRow
from projections.financials.classification import BEGINNING, Classification
from projections.financials.splits import SHARE_CONCEPTS
from queries.metrics.applicability import company_kind

_SQL = load_statements("projections.figures", "batch.sql")


class Batch(msgspec.Struct):
    """
    The companies and filings a batch speaks of as they stand after it, and what is to be written or looked at again.

    `facts` are those of newly reported filings, by company and accession. `touched_ends` holds, by company, the ends of
    periods whose figures may change; `everything_touched` the companies of which any figure may.
    """

    companies: dict[int, CompanyRow]
    companies_before: dict[int, CompanyRow]
    companies_with_filings: set[int]
    filings: dict[FilingKey, FilingRow]
    filings_before: set[FilingKey]
    acceptances: dict[FilingKey, datetime]
    facts: dict[int, dict[str, tuple[filing_events.ConceptFacts, ...]]] = msgspec.field(
        default_factory=lambda: defaultdict(dict)
    )
    touched_companies: set[int] = msgspec.field(default_factory=set)
    renamed: set[int] = msgspec.field(default_factory=set)
    reclassified: set[int] = msgspec.field(default_factory=set)
    touched_filings: set[FilingKey] = msgspec.field(default_factory=set)
    new_acceptances: dict[FilingKey, datetime] = msgspec.field(default_factory=dict)
    new_links: dict[tuple[int, int], date] = msgspec.field(default_factory=dict)
    filings_to_reread: set[FilingKey] = msgspec.field(default_factory=set)
    touched_ends: dict[int, set[date]] = msgspec.field(default_factory=lambda: defaultdict(set))
    everything_touched: set[int] = msgspec.field(default_factory=set)
    share_counts_touched: set[int] = msgspec.field(default_factory=set)
    changes: list[Change] = msgspec.field(default_factory=list)


_TYPES: dict[str, type] = {
    event_type.__name__: event_type
    for event_type in (
        company_events.CompanyRegistered,
        company_events.CompanyReclassified,
        company_events.CompanyRenamed,
        company_events.CompanyMerged,
        company_events.TickersChanged,
        company_events.AcceptanceRecorded,
        filing_events.FilingReported,
        filing_events.FilingCorrected,
        filing_events.FilingWithdrawn,
    )
}


@cache
def _decoder(event_type: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_TYPES[event_type])


def decode(event: RecordedEvent) -> Any:
    """This will read an event's body as the type it names."""
    return _decoder(event.type).decode(event.data)


def read_batch(connection: psycopg.Connection, events: Sequence[RecordedEvent]) -> Batch:
    """This will load what the tables hold of the companies and filings concerned and apply the events in order."""
    bodies = [decode(event) for event in events]
    batch = _load(connection, bodies)
    for event, body in zip(events, bodies, strict=True):
        before = batch.companies.get(body.cik)
        before = before and msgspec.structs.replace(before)
        apply(body, batch, event)
        batch.changes.extend(changes_of(body, event, before=before, after=batch.companies[body.cik]))
    return batch


def _load(connection: psycopg.Connection, bodies: Sequence[Any]) -> Batch:
    ciks = sorted({body.cik for body in bodies})
    keys = {(body.cik, body.accession) for body in bodies if hasattr(body, "accession")}
    for body in bodies:
        if isinstance(body, company_events.AcceptanceRecorded):
            keys.update((body.cik, accession) for accession, _ in body.filings)
    with connection.cursor(row_factory=class_row(CompanyRow)) as cursor:
        companies = {row.cik: row for row in cursor.execute(_SQL["companies"], {"ciks": ciks})}
    _load_histories(connection, bodies, companies)
    with_filings = {cik for (cik,) in connection.execute(_SQL["companies_with_filings"], {"ciks": ciks})}
    known_keys = key_columns(key for key in keys if key[0] in companies)
    with connection.cursor(row_factory=class_row(FilingRow)) as cursor:
        filings = {(row.cik, row.accession): row for row in cursor.execute(_SQL["filings"], known_keys)}
    acceptances = {(cik, accession): at for cik, accession, at in connection.execute(_SQL["acceptances"], known_keys)}
    return Batch(
        companies=companies,
        companies_before={cik: msgspec.structs.replace(row) for cik, row in companies.items()},
        companies_with_filings=with_filings,
        filings=filings,
        filings_before=set(filings),
        acceptances=acceptances,
    )


def _load_histories(connection: psycopg.Connection, bodies: Sequence[Any], companies: Mapping[int, CompanyRow]) -> None:
    """Most batches rename and reclassify nobody: then nothing is read."""
    renamed = {body.cik for body in bodies if isinstance(body, company_events.CompanyRenamed)} & companies.keys()
    if renamed:
        for cik, name, until in connection.execute(_SQL["former_names"], {"ciks": sorted(renamed)}):
            companies[cik].former_names[name] = until
    moved = {body.cik for body in bodies if isinstance(body, company_events.CompanyReclassified)} & companies.keys()
    if moved:
        for cik, valid_from, sic, country, size_class in connection.execute(
            _SQL["classifications"], {"ciks": sorted(moved)}
        ):
            companies[cik].classifications.append(
                Classification(valid_from=valid_from or BEGINNING, sic=sic, country=country, size_class=size_class)
            )


def key_columns(keys: Iterable[FilingKey]) -> dict[str, list[Any]]:
    """Filing keys as the two sorted columns a statement unnests."""
    ordered = sorted(keys)
    return {"cik": [cik for cik, _ in ordered], "accession": [accession for _, accession in ordered]}


@singledispatch
def apply(body: Any, batch: Batch, event: RecordedEvent) -> None:
    """This will take one event into the batch."""
    raise TypeError(f"the projection figures does not know {type(body).__name__}")


@apply.register
def _(body: company_events.CompanyRegistered, batch: Batch, event: RecordedEvent) -> None:
    batch.touched_companies.add(body.cik)
    batch.reclassified.add(body.cik)
    batch.companies[body.cik] = CompanyRow.registered(body)


@apply.register
def _(body: company_events.CompanyReclassified, batch: Batch, event: RecordedEvent) -> None:
    batch.touched_companies.add(body.cik)
    company = batch.companies[body.cik]
    if company_kind(company.sic) != company_kind(body.sic):
        batch.everything_touched.add(body.cik)
    batch.reclassified.add(body.cik)
    company.reclassify(body, at=event.recorded_at)


@apply.register
def _(body: company_events.CompanyRenamed, batch: Batch, event: RecordedEvent) -> None:
    batch.touched_companies.add(body.cik)
    batch.renamed.add(body.cik)
    batch.companies[body.cik].rename(body)


@apply.register
def _(body: company_events.TickersChanged, batch: Batch, event: RecordedEvent) -> None:
    batch.touched_companies.add(body.cik)
    batch.companies[body.cik].tickers = list(body.tickers)


@apply.register
def _(body: company_events.CompanyMerged, batch: Batch, event: RecordedEvent) -> None:
    batch.new_links[body.cik, body.predecessor_cik] = body.effective_on


@apply.register
def _(body: company_events.AcceptanceRecorded, batch: Batch, event: RecordedEvent) -> None:
    for accession, accepted_at in body.filings:
        key = body.cik, accession
        batch.acceptances[key] = batch.new_acceptances[key] = accepted_at
        filing = batch.filings.get(key)
        if filing is not None and filing.accepted_at != accepted_at:
            filing.accepted_at = accepted_at
            _reread(batch, key)


@apply.register
def _(body: filing_events.FilingReported, batch: Batch, event: RecordedEvent) -> None:
    key = body.cik, body.accession
    if key in batch.filings_before:
        _reread(batch, key)
    batch.touched_filings.add(key)
    batch.facts[body.cik][body.accession] = body.facts
    period_end, year_end = period_ends(body)
    batch.filings[key] = FilingRow(
        cik=body.cik,
        accession=body.accession,
        form=body.form,
        filed_on=body.filed_on,
        accepted_at=body.accepted_at or batch.acceptances.get(key),
        period_end=period_end,
        year_end=year_end,
        source=body.source,
        fact_count=sum(len(values) for _, _, values in body.facts),
        position=event.position,
    )
    if body.cik in batch.companies_with_filings:
        batch.touched_ends[body.cik].update(relevant_ends(body.facts))
    else:
        batch.everything_touched.add(body.cik)
    if any(concept in SHARE_CONCEPTS for concept, _, _ in body.facts):
        batch.share_counts_touched.add(body.cik)


@apply.register
def _(body: filing_events.FilingWithdrawn, batch: Batch, event: RecordedEvent) -> None:
    key = body.cik, body.accession
    batch.filings[key].withdrawn_at = body.withdrawn_at
    _reread(batch, key)


def _reread(batch: Batch, key: FilingKey) -> None:
    """The figures of a filing known before may change with it, whatever its facts were."""
    batch.touched_filings.add(key)
    batch.filings_to_reread.add(key)
    batch.share_counts_touched.add(key[0])
