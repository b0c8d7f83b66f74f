"""The projection `figures`: companies, filings, every copy of every fact, and the value of every metric."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import psycopg

from commands.filings.events import ConceptFacts
from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.copying import NULL, copy_lines, escape
from projections.figures.batch import Batch, key_columns, read_batch
from projections.figures.changes import write_changes
from projections.figures.filed_facts import filed_span
from projections.figures.rows import CompanyRow, FilingRow
from projections.figures.values import mark_dirty, write_splits, write_values
from projections.financials.classification import BEGINNING, sector_of
from projections.financials.copies import relevant_concepts
from projections.financials.names import display_name
from queries.metrics.periods import is_plausible

_SQL = load_statements("projections.figures", "fold.sql")

_FILING_COLUMNS = (
    "cik", "accession", "form", "filed_on", "accepted_at", "known_at", "withdrawn_at", "period_end", "year_end",
    "source", "fact_count", "position",
)  # fmt: skip


def fold(connection: psycopg.Connection, events: Sequence[RecordedEvent]) -> None:
    """This will write the effect of a batch of one shard's events, in log order, into the tables of the search path."""
    batch = read_batch(connection, events)
    _write_companies(connection, batch)
    _write_filings(connection, batch)
    _write_facts(connection, batch)
    _mark_moved(connection, batch)
    write_values(connection, batch)
    write_splits(connection, batch)
    write_changes(connection, batch.changes)


def _write_companies(connection: psycopg.Connection, batch: Batch) -> None:
    rows = [batch.companies[cik] for cik in sorted(batch.touched_companies)]
    if rows:
        connection.execute(
            _SQL["upsert_companies"],
            {
                "cik": [row.cik for row in rows],
                "name": [display_name(row.name_as_filed) for row in rows],
                "name_as_filed": [row.name_as_filed for row in rows],
                "sic": [row.sic for row in rows],
                "sector": [sector_of(row.sic) for row in rows],
                "country": [row.country for row in rows],
                "size_class": [row.size_class for row in rows],
                "tickers": [" ".join(row.tickers) for row in rows],
            },
        )
    _write_former_names(connection, batch)
    _write_classifications(connection, batch)
    for (cik, predecessor_cik), effective_on in sorted(batch.new_links.items()):
        connection.execute(
            _SQL["upsert_link"], {"cik": cik, "predecessor_cik": predecessor_cik, "effective_on": effective_on}
        )
        mark_dirty(connection, [(predecessor_cik, None)])


def _write_former_names(connection: psycopg.Connection, batch: Batch) -> None:
    ciks = sorted(batch.renamed)
    if not ciks:
        return
    rows = [(cik, *former) for cik in ciks for former in sorted(batch.companies[cik].former_names.items())]
    connection.execute(
        _SQL["replace_former_names"],
        {
            "ciks": ciks,
            "cik": [cik for cik, _, _ in rows],
            "name_as_filed": [name for _, name, _ in rows],
            "name": [display_name(name) for _, name, _ in rows],
            "until": [until for _, _, until in rows],
        },
    )


def _write_classifications(connection: psycopg.Connection, batch: Batch) -> None:
    known_before = sorted(batch.reclassified & batch.companies_before.keys())
    if known_before:
        connection.execute(_SQL["delete_classifications"], {"ciks": known_before})
    rows = [(cik, row) for cik in sorted(batch.reclassified) for row in batch.companies[cik].classifications]
    if rows:
        connection.execute(
            _SQL["insert_classifications"],
            {
                "cik": [cik for cik, _ in rows],
                "valid_from": [None if row.valid_from == BEGINNING else row.valid_from for _, row in rows],
                "sic": [row.sic for _, row in rows],
                "country": [row.country for _, row in rows],
                "size_class": [row.size_class for _, row in rows],
            },
        )


def _write_filings(connection: psycopg.Connection, batch: Batch) -> None:
    if batch.new_acceptances:
        accepted_at = [batch.new_acceptances[key] for key in sorted(batch.new_acceptances)]
        connection.execute(
            _SQL["upsert_acceptances"], {**key_columns(batch.new_acceptances), "accepted_at": accepted_at}
        )
    new = sorted(batch.touched_filings - batch.filings_before)
    if new:
        copy_lines(connection, _SQL["copy_filings"], (_filing_line(batch.filings[key]) for key in new))
        connection.execute(_SQL["count_filings"], {"filings": len(new)})
    if known := sorted(batch.touched_filings & batch.filings_before):
        rows = [batch.filings[key] for key in known]
        columns = {name: [getattr(row, name) for row in rows] for name in _FILING_COLUMNS}
        connection.execute(_SQL["update_filings"], columns)
    if new or known:
        connection.execute(_SQL["update_fiscal_years"], {"ciks": sorted({cik for cik, _ in batch.touched_filings})})


def _filing_line(row: FilingRow) -> str:
    return (
        f"{row.cik}\t{row.accession}\t{escape(row.form)}\t{row.filed_on}\t{row.accepted_at or NULL}\t{row.known_at}"
        f"\t{row.withdrawn_at or NULL}\t{row.period_end or NULL}\t{row.year_end or NULL}\t{row.source}"
        f"\t{row.fact_count}\t{row.position}"
    )


def _write_facts(connection: psycopg.Connection, batch: Batch) -> None:
    if batch.filings_to_reread:
        parameters = {**key_columns(batch.filings_to_reread), "concepts": relevant_concepts()}
        for cik, end in connection.execute(_SQL["relevant_ends_of_filings"], parameters):
            if is_plausible(end):
                batch.touched_ends[cik].add(end)
    replaced = {
        (cik, accession) for cik, filings in batch.facts.items() for accession in filings
    } & batch.filings_before
    if replaced:
        connection.execute(_SQL["delete_facts_of_filings"], key_columns(replaced))
    copy_lines(connection, _SQL["copy_facts"], _fact_lines(batch.facts))


def _fact_lines(facts: Mapping[int, Mapping[str, Iterable[ConceptFacts]]]) -> Iterator[str]:
    for cik, filings in sorted(facts.items()):
        for accession, concepts in sorted(filings.items()):
            for concept, unit, values in concepts:
                name = f"{cik}\t{escape(concept)}\t{escape(unit)}"
                for start, end, value in values:
                    yield f"{name}\t{_span_columns(start, end)}\t{accession}\t{value}"


@lru_cache(maxsize=65_536)
def _span_columns(start: str | None, end: str) -> str:
    return f"{start or NULL}\t{end}\t{filed_span(start, end).days}"


def _mark_moved(connection: psycopg.Connection, batch: Batch) -> None:
    """A company that comes or moves takes all it has along; one that is renamed shows in the groups it leads."""
    before, after = batch.companies_before, batch.companies
    if moved := [cik for cik in after if _shown(before.get(cik)) != _shown(after[cik])]:
        mark_dirty(connection, ((cik, None) for cik in moved))


def _shown(company: CompanyRow | None) -> tuple[Any, ...] | None:
    return None if company is None else (company.groups(), company.name_as_filed, company.tickers)
