"""The projection `figures`: companies, filings, every copy of every fact, and the value of every metric."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache, partial, singledispatch
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row

from commands.companies import events as company_events
from commands.filings import events as filing_events
from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.copying import NULL, copy_rows, escape
from projections.financials.classification import sector_of
from projections.financials.forms import ANNUAL_REPORTS, trust_tier
from projections.financials.names import display_name
from projections.financials.resolution import (
    SAME_DAY_LAST_YEAR_REACH,
    Copy,
    MetricVersion,
    is_relevant,
    relevant_concepts,
    resolve,
    rulebook,
)
from queries.metrics.periods import duration_days, known_at, period_type, year_before

_SQL = load_statements("projections", "figures.sql")

FilingKey = tuple[int, str]
Cell = tuple[str, str]
"""A metric and the calendar period it is aggregated for."""

Group = tuple[str, str]
"""(group_by, group_key)."""


class CompanyRow(msgspec.Struct, kw_only=True):
    """One row of `company`; what can be worked out from the rest is left out."""

    cik: int
    name_as_filed: str
    sic: str | None = None
    country: str | None = None
    tickers: list[str] = msgspec.field(default_factory=list)
    latest_fiscal_year_end: date | None = None

    def groups(self) -> set[Group]:
        """The groups the company's figures count in."""
        sector = sector_of(self.sic)
        groups = {("all", "all")}
        if sector is not None:
            groups.add(("sector", sector))
        if self.sic is not None:
            groups.add(("industry", self.sic))
        return groups


class FilingRow(msgspec.Struct, kw_only=True):
    """One row of `filing`; `known_at` follows from the two dates."""

    cik: int
    accession: str
    form: str
    filed_on: date
    accepted_at: datetime | None
    withdrawn_at: datetime | None = None
    source: str
    fact_count: int
    position: int

    @property
    def known_at(self) -> datetime:
        return known_at(self.filed_on, self.accepted_at)


class _Batch(msgspec.Struct):
    """What the events of one batch amount to, on top of what the tables held before."""

    companies: dict[int, CompanyRow]
    companies_before: dict[int, CompanyRow]
    companies_with_filings: set[int]
    filings: dict[FilingKey, FilingRow]
    filings_before: set[FilingKey]
    acceptances: dict[FilingKey, datetime]
    facts: dict[FilingKey, tuple[filing_events.ConceptFacts, ...]] = msgspec.field(default_factory=dict)
    touched_companies: set[int] = msgspec.field(default_factory=set)
    touched_filings: set[FilingKey] = msgspec.field(default_factory=set)
    new_acceptances: dict[FilingKey, datetime] = msgspec.field(default_factory=dict)
    filings_to_reread: set[FilingKey] = msgspec.field(default_factory=set)
    touched_ends: dict[int, set[date]] = msgspec.field(default_factory=lambda: defaultdict(set))


def fold(connection: psycopg.Connection, events: Sequence[RecordedEvent]) -> None:
    """This will write the effect of a batch of one shard's events, in log order, into the tables of the search path."""
    decoded = [(event, decode(event)) for event in events]
    batch = _load(connection, [body for _, body in decoded])
    for event, body in decoded:
        _apply(body, batch, event.position)
    _write_companies(connection, batch)
    _write_filings(connection, batch)
    _write_facts(connection, batch)
    _mark_reclassified(connection, batch)
    _write_values(connection, batch)


# Reading the batch


_TYPES: dict[str, type] = {
    event_type.__name__: event_type
    for event_type in (
        company_events.CompanyRegistered,
        company_events.CompanyReclassified,
        company_events.CompanyRenamed,
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


def _load(connection: psycopg.Connection, bodies: Sequence[Any]) -> _Batch:
    ciks = sorted({body.cik for body in bodies})
    keys = {(body.cik, body.accession) for body in bodies if hasattr(body, "accession")}
    for body in bodies:
        if isinstance(body, company_events.AcceptanceRecorded):
            keys.update((body.cik, accession) for accession, _ in body.filings)
    with connection.cursor(row_factory=class_row(CompanyRow)) as cursor:
        companies = {row.cik: row for row in cursor.execute(_SQL["companies"], {"ciks": ciks})}
    with_filings = {cik for (cik,) in connection.execute(_SQL["companies_with_filings"], {"ciks": ciks})}
    known_keys = _key_columns(key for key in keys if key[0] in companies)
    with connection.cursor(row_factory=class_row(FilingRow)) as cursor:
        filings = {(row.cik, row.accession): row for row in cursor.execute(_SQL["filings"], known_keys)}
    acceptances = {(cik, accession): at for cik, accession, at in connection.execute(_SQL["acceptances"], known_keys)}
    return _Batch(
        companies=companies,
        companies_before={cik: msgspec.structs.replace(row) for cik, row in companies.items()},
        companies_with_filings=with_filings,
        filings=filings,
        filings_before=set(filings),
        acceptances=acceptances,
    )


def _key_columns(keys: Iterable[FilingKey]) -> dict[str, list[Any]]:
    ordered = sorted(keys)
    return {"cik": [cik for cik, _ in ordered], "accession": [accession for _, accession in ordered]}


# One event


@singledispatch
def _apply(body: Any, batch: _Batch, position: int) -> None:
    raise TypeError(f"the projection figures does not know {type(body).__name__}")


@_apply.register
def _(body: company_events.CompanyRegistered, batch: _Batch, position: int) -> None:
    batch.touched_companies.add(body.cik)
    batch.companies[body.cik] = CompanyRow(
        cik=body.cik, name_as_filed=body.name, sic=body.sic, country=body.country, tickers=list(body.tickers)
    )


@_apply.register
def _(body: company_events.CompanyReclassified, batch: _Batch, position: int) -> None:
    batch.touched_companies.add(body.cik)
    company = batch.companies[body.cik]
    company.sic, company.country = body.sic, body.country


@_apply.register
def _(body: company_events.CompanyRenamed, batch: _Batch, position: int) -> None:
    batch.touched_companies.add(body.cik)
    batch.companies[body.cik].name_as_filed = body.name


@_apply.register
def _(body: company_events.TickersChanged, batch: _Batch, position: int) -> None:
    batch.touched_companies.add(body.cik)
    batch.companies[body.cik].tickers = list(body.tickers)


@_apply.register
def _(body: company_events.AcceptanceRecorded, batch: _Batch, position: int) -> None:
    for accession, accepted_at in body.filings:
        key = body.cik, accession
        batch.acceptances[key] = batch.new_acceptances[key] = accepted_at
        filing = batch.filings.get(key)
        if filing is not None and filing.accepted_at != accepted_at:
            filing.accepted_at = accepted_at
            batch.touched_filings.add(key)
            batch.filings_to_reread.add(key)


@_apply.register
def _(body: filing_events.FilingReported, batch: _Batch, position: int) -> None:
    key = body.cik, body.accession
    if key in batch.filings_before:
        batch.filings_to_reread.add(key)
    batch.touched_filings.add(key)
    batch.facts[key] = body.facts
    batch.filings[key] = FilingRow(
        cik=body.cik,
        accession=body.accession,
        form=body.form,
        filed_on=body.filed_on,
        accepted_at=batch.acceptances.get(key, body.accepted_at),
        source=body.source,
        fact_count=sum(len(values) for _, _, values in body.facts),
        position=position,
    )
    batch.touched_ends[body.cik].update(relevant_ends(body.facts))
    year_end = fiscal_year_end(body)
    company = batch.companies[body.cik]
    if year_end is not None and (company.latest_fiscal_year_end is None or year_end > company.latest_fiscal_year_end):
        company.latest_fiscal_year_end = year_end
        batch.touched_companies.add(body.cik)


@_apply.register
def _(body: filing_events.FilingWithdrawn, batch: _Batch, position: int) -> None:
    key = body.cik, body.accession
    batch.filings[key].withdrawn_at = body.withdrawn_at
    batch.touched_filings.add(key)
    batch.filings_to_reread.add(key)


def fiscal_year_end(filing: filing_events.FilingReported) -> date | None:
    """The newest year end an annual report speaks of, dates after its filing left out."""
    if filing.form not in ANNUAL_REPORTS:
        return None
    filed_on = filing.filed_on.isoformat()
    ends = {
        end
        for _, _, values in filing.facts
        for start, end, _ in values
        if start is not None and end <= filed_on and period_type(_days(start, end)) == "annual"
    }
    return date.fromisoformat(max(ends)) if ends else None


def relevant_ends(facts: Iterable[filing_events.ConceptFacts]) -> set[date]:
    """The ends of the periods for which these facts can feed a metric."""
    concepts = rulebook().metrics_of_concept
    return {
        _day(end)
        for concept, unit, values in facts
        if concept in concepts
        for start, end, _ in values
        if is_relevant(concept, unit, _days(start, end))
    }


@lru_cache(maxsize=65_536)
def _days(start: str | None, end: str) -> int:
    return duration_days(None if start is None else _day(start), _day(end))


@lru_cache(maxsize=65_536)
def _day(text: str) -> date:
    return date.fromisoformat(text)


# Companies, filings and facts


def _write_companies(connection: psycopg.Connection, batch: _Batch) -> None:
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
                "tickers": [" ".join(row.tickers) for row in rows],
                "latest_fiscal_year_end": [row.latest_fiscal_year_end for row in rows],
            },
        )


def _write_filings(connection: psycopg.Connection, batch: _Batch) -> None:
    if batch.new_acceptances:
        keys = _key_columns(batch.new_acceptances)
        accepted_at = [batch.new_acceptances[key] for key in sorted(batch.new_acceptances)]
        connection.execute(_SQL["upsert_acceptances"], {**keys, "accepted_at": accepted_at})
    rows = [batch.filings[key] for key in sorted(batch.touched_filings)]
    if rows:
        columns = (
            "cik", "accession", "form", "filed_on", "accepted_at", "known_at", "withdrawn_at", "source", "fact_count",
            "position",
        )  # fmt: skip
        connection.execute(_SQL["upsert_filings"], {name: [getattr(row, name) for row in rows] for name in columns})


def _write_facts(connection: psycopg.Connection, batch: _Batch) -> None:
    if batch.filings_to_reread:
        parameters = {**_key_columns(batch.filings_to_reread), "concepts": relevant_concepts()}
        for cik, end in connection.execute(_SQL["relevant_ends_of_filings"], parameters):
            batch.touched_ends[cik].add(end)
    replaced = batch.facts.keys() & batch.filings_before
    if replaced:
        connection.execute(_SQL["delete_facts_of_filings"], _key_columns(replaced))
    copy_rows(connection, _SQL["copy_facts"], _fact_rows(batch.facts))


def _fact_rows(facts: Mapping[FilingKey, Iterable[filing_events.ConceptFacts]]) -> Iterator[tuple[str, ...]]:
    for (number, accession), concepts in sorted(facts.items()):
        cik = str(number)
        for concept, unit, values in concepts:
            concept_text, unit_text = escape(concept), escape(unit)
            for start, end, value in values:
                days = str(_days(start, end))
                yield cik, concept_text, unit_text, start or NULL, end, days, accession, value


# Metric values


def _write_values(connection: psycopg.Connection, batch: _Batch) -> None:
    dirty: set[tuple[Cell, Group]] = set()
    rows: list[tuple[int, MetricVersion]] = []
    for cik in sorted(batch.touched_ends):
        touched = batch.touched_ends[cik]
        if not touched:
            continue
        if cik in batch.companies_with_filings:
            windows = affected_windows(touched)
            copies = _copies_in(connection, cik, _looked_back(windows))
            after = resolve(copies, wanted=partial(within, windows))
            before = _values_in(connection, cik, windows)
        else:
            after = resolve(_copies_of(batch, cik), wanted=lambda end: True)
            before = {}
        fresh = [row for row in after if before.get(_key(row)) != row]
        stale = before.keys() - {_key(row) for row in after} | {_key(row) for row in fresh} & before.keys()
        if stale:
            _delete_values(connection, cik, stale)
        rows.extend((cik, row) for row in fresh)
        cells = changed_cells(before.values(), after)
        groups = batch.companies[cik].groups()
        dirty.update((cell, group) for cell in cells for group in groups)
    copy_rows(connection, _SQL["copy_values"], (_value_columns(cik, row) for cik, row in rows))
    copy_rows(connection, _SQL["copy_dirty_groups"], ((*cell, *group) for cell, group in sorted(dirty)))


Window = tuple[date, date]
ValueKey = tuple[str, date, int, int]


def _key(row: MetricVersion) -> ValueKey:
    return row.metric, row.period_end, row.duration_days, row.revision


def affected_windows(touched: Iterable[date]) -> list[Window]:
    """The spans of days whose periods can change when facts ending on the touched days do."""
    reach = SAME_DAY_LAST_YEAR_REACH
    spans = []
    for day in touched:
        spans.append((day, day))
        for years in rulebook().years_looked_back:
            later = year_before(day, -years)
            spans.append((later - reach, later + reach))
    return _merged(spans)


def _looked_back(windows: Iterable[Window]) -> list[Window]:
    reach = SAME_DAY_LAST_YEAR_REACH
    spans = []
    for low, high in windows:
        spans.append((low, high))
        spans.extend(
            (year_before(low, years) - reach, year_before(high, years) + reach)
            for years in rulebook().years_looked_back
        )
    return _merged(spans)


def _merged(spans: Iterable[Window]) -> list[Window]:
    merged: list[Window] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + timedelta(days=1):
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def within(windows: Iterable[Window], day: date) -> bool:
    """Whether a day lies in one of the windows."""
    return any(low <= day <= high for low, high in windows)


def _copies_in(connection: psycopg.Connection, cik: int, windows: Sequence[Window]) -> list[Copy]:
    parameters = {"cik": cik, **_window_columns(windows), "concepts": relevant_concepts()}
    copies = []
    for concept, unit, start, end, days, value, known, withdrawn, accession, form in connection.execute(
        _SQL["copies_in_windows"], parameters
    ):
        tier = trust_tier(form)
        if tier is not None and is_relevant(concept, unit, days):
            copies.append(Copy(concept, unit, start, end, days, value, known, withdrawn, accession, tier))
    return copies


def _copies_of(batch: _Batch, cik: int) -> Iterator[Copy]:
    for key, facts in batch.facts.items():
        if key[0] == cik:
            yield from copies_of_filing(batch.filings[key], facts)


def copies_of_filing(filing: FilingRow, facts: Iterable[filing_events.ConceptFacts]) -> Iterator[Copy]:
    """This will yield the relevant facts of a filing as copies, none if its form may not feed a metric."""
    tier = trust_tier(filing.form)
    if tier is None:
        return
    concepts = rulebook().metrics_of_concept
    for concept, unit, values in facts:
        if concept not in concepts:
            continue
        for start, end, value in values:
            days = _days(start, end)
            if is_relevant(concept, unit, days):
                yield Copy(
                    concept,
                    unit,
                    None if start is None else _day(start),
                    _day(end),
                    days,
                    Decimal(value),
                    filing.known_at,
                    filing.withdrawn_at,
                    filing.accession,
                    tier,
                )


def _values_in(connection: psycopg.Connection, cik: int, windows: Sequence[Window]) -> dict[ValueKey, MetricVersion]:
    parameters = {"cik": cik, **_window_columns(windows)}
    rows = connection.execute(_SQL["values_in_windows"], parameters)
    return {_key(value): value for value in map(_version, rows)}


def _version(row: Sequence[Any]) -> MetricVersion:
    return MetricVersion(**dict(zip(MetricVersion.__struct_fields__, (*row[:-1], tuple(row[-1])), strict=True)))


def _window_columns(windows: Sequence[Window]) -> dict[str, list[date]]:
    return {"low": [low for low, _ in windows], "high": [high for _, high in windows]}


def _delete_values(connection: psycopg.Connection, cik: int, keys: Iterable[ValueKey]) -> None:
    ordered = sorted(keys)
    names = ("metric", "period_end", "duration_days", "revision")
    columns = {name: [key[index] for key in ordered] for index, name in enumerate(names)}
    connection.execute(_SQL["delete_values"], {"cik": cik, **columns})


def _value_columns(cik: int, row: MetricVersion) -> tuple[str, ...]:
    return (
        str(cik),
        row.metric,
        row.period_type,
        row.period or NULL,
        row.period_start.isoformat() if row.period_start else NULL,
        row.period_end.isoformat(),
        str(row.duration_days),
        str(row.calendar_offset),
        str(row.revision),
        row.known_from.isoformat(),
        row.known_to.isoformat() if row.known_to else NULL,
        format(row.value, "f"),
        escape(row.unit),
        row.accession,
        escape(row.concept) if row.concept else NULL,
        "{" + ",".join(row.flags) + "}",
    )


# Groups whose aggregates no longer hold


def changed_cells(before: Iterable[MetricVersion], after: Iterable[MetricVersion]) -> set[Cell]:
    """The aggregated cells whose latest value differs between two states of a company."""
    return {(row[0], row[1]) for row in _latest(before) ^ _latest(after)}


def _latest(rows: Iterable[MetricVersion]) -> set[tuple[str, str, date, int, Decimal, str, datetime]]:
    return {
        (row.metric, row.period, row.period_end, row.duration_days, row.value, row.unit, row.known_from)
        for row in rows
        if row.known_to is None and row.period is not None and is_aggregated(row.period)
    }


def is_aggregated(period: str) -> bool:
    """Whether group aggregates are kept for a calendar period: years, and the instants at their ends."""
    return len(period) == len("CY2024") or period.endswith("Q4I")


def _mark_reclassified(connection: psycopg.Connection, batch: _Batch) -> None:
    """A company that moves takes all its history along; one that is renamed shows in the groups it leads."""
    for cik, before in batch.companies_before.items():
        after = batch.companies[cik]
        if (before.groups(), before.name_as_filed, before.tickers) != (
            after.groups(),
            after.name_as_filed,
            after.tickers,
        ):
            groups = sorted(before.groups() | after.groups())
            connection.execute(
                _SQL["mark_all_cells_dirty"],
                {"cik": cik, "group_by": [by for by, _ in groups], "group_key": [key for _, key in groups]},
            )
