"""Metric values, the checks and the splits: what a batch changes of them, and nothing else."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import msgspec
import psycopg

from commands.sql import load_statements
from projections.copying import NULL, copy_lines, escape, line_of
from projections.figures.batch import Batch
from projections.figures.filed_facts import copies_of
from projections.financials.checks import BrokenCheck
from projections.financials.copies import Copy, had_ended, is_relevant, relevant_concepts, reporting_cycle
from projections.financials.forms import trust_tier
from projections.financials.formulas import years_looked_back
from projections.financials.resolution import MetricVersion, Resolved, resolve
from projections.financials.splits import SHARE_CONCEPTS, Split, find_splits
from projections.financials.timeline import Source
from projections.financials.year_to_date import SAME_DAY_REACH
from queries.metrics.periods import is_plausible, year_before

_SQL = load_statements("projections.figures", "values.sql")

Cell = tuple[str, str]
"""A metric and the calendar period it is aggregated for."""

Window = tuple[date, date]
ValueKey = tuple[str, date, int, str, int]

ALL_TIME: list[Window] = [(date.min, date.max)]

_TWELVE_MONTHS_REACH = timedelta(days=400)
"""How long after a fact's end a quarter or twelve months may end that it is part of."""


def write_values(connection: psycopg.Connection, batch: Batch) -> None:
    """This will bring the metric values, checks and dirty groups of every touched company up to date."""
    dirty: list[tuple[int, Cell | None]] = []
    rows: list[tuple[int, MetricVersion]] = []
    checks: list[tuple[int, BrokenCheck]] = []
    ciks = {cik for cik, ends in batch.touched_ends.items() if ends} | batch.everything_touched
    for cik in sorted(ciks):
        company = batch.companies[cik]
        before: dict[ValueKey, MetricVersion] = {}
        if cik in batch.companies_with_filings:
            windows = ALL_TIME if cik in batch.everything_touched else affected_windows(batch.touched_ends[cik])
            copies = _copies_in(connection, cik, looked_back(windows), relevant_concepts())
            after = resolve(copies, sic=company.sic, wanted=partial(within, windows))
            before = _values_in(connection, cik, windows)
            connection.execute(_SQL["delete_checks_in_windows"], {"cik": cik, **_window_columns(windows)})
            dirty.extend((cik, cell) for cell in changed_cells(before.values(), after.values))
        else:
            after = resolve(_copies_of_batch(batch, cik), sic=company.sic, wanted=lambda end: True)
            if after.values:
                dirty.append((cik, None))
        rows.extend((cik, row) for row in _replace_values(connection, cik, before, after))
        checks.extend((cik, check) for check in after.checks)
    copy_lines(connection, _SQL["copy_values"], (_value_line(cik, row) for cik, row in rows))
    copy_lines(connection, _SQL["copy_checks"], (_check_line(cik, check) for cik, check in checks))
    mark_dirty(connection, dirty)


def mark_dirty(connection: psycopg.Connection, cells: Iterable[tuple[int, Cell | None]]) -> None:
    """
    This will have the next refresh look at cells of companies again; None stands for all of a company, and its groups.
    """
    marks = ((*(cell or (NULL, NULL)), str(cik)) for cik, cell in cells)
    copy_lines(connection, _SQL["copy_dirty_cells"], map(line_of, marks))


def write_splits(connection: psycopg.Connection, batch: Batch) -> None:
    """This will find the splits of every company whose share counts were touched anew."""
    lines: list[str] = []
    for cik in sorted(batch.share_counts_touched):
        if cik in batch.companies_with_filings:
            copies: Iterable[Copy] = _copies_in(connection, cik, ALL_TIME, sorted(SHARE_CONCEPTS))
            connection.execute(_SQL["delete_splits"], {"cik": cik})
        else:
            copies = _copies_of_batch(batch, cik, concepts=SHARE_CONCEPTS)
        lines.extend(_split_line(cik, split) for split in find_splits(copies))
    copy_lines(connection, _SQL["copy_splits"], lines)


def _replace_values(
    connection: psycopg.Connection, cik: int, before: dict[ValueKey, MetricVersion], after: Resolved
) -> list[MetricVersion]:
    """Delete the rows that hold no more and return those to be written."""
    if not before:
        return after.values
    fresh = [row for row in after.values if before.get(_key(row)) != row]
    kept = {_key(row) for row in after.values} - {_key(row) for row in fresh}
    stale = sorted(before.keys() - kept)
    names = ("metric", "period_end", "duration_days", "period_type", "revision")
    columns = {name: [key[index] for key in stale] for index, name in enumerate(names)}
    connection.execute(_SQL["delete_values"], {"cik": cik, **columns})
    return fresh


def _key(row: MetricVersion) -> ValueKey:
    return row.metric, row.period_end, row.duration_days, row.period_type, row.revision


def affected_windows(touched: Iterable[date]) -> list[Window]:
    """The spans of days whose periods can change when facts ending on the touched days do."""
    spans = []
    for day in touched:
        spans.append((day, day + _TWELVE_MONTHS_REACH))
        for years in years_looked_back():
            later = year_before(day, -years)
            spans.append((later - SAME_DAY_REACH, later + _TWELVE_MONTHS_REACH + SAME_DAY_REACH))
    return _merged(spans)


def looked_back(windows: Iterable[Window]) -> list[Window]:
    """The spans of days whose facts can matter for the periods that end in the windows."""
    spans = []
    for low, high in windows:
        if (low, high) == ALL_TIME[0]:
            return ALL_TIME
        spans.append((low - _TWELVE_MONTHS_REACH, high))
        spans.extend(
            (year_before(low, years) - SAME_DAY_REACH - _TWELVE_MONTHS_REACH, year_before(high, years) + SAME_DAY_REACH)
            for years in years_looked_back()
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


def _copies_in(
    connection: psycopg.Connection, cik: int, windows: Sequence[Window], concepts: Sequence[str]
) -> list[Copy]:
    copies = []
    rows = connection.execute(_SQL["copies_in_windows"], {"cik": cik, **_window_columns(windows), "concepts": concepts})
    for concept, unit, start, end, days, value, known, withdrawn, accession, form, filed_on, source, own_end in rows:
        tier = trust_tier(form)
        if tier is None or not is_plausible(end) or not had_ended(end, filed_on=filed_on, source=source):
            continue
        if is_relevant(concept, unit, days):
            cycle = reporting_cycle(end, own_end)
            amendment = form.endswith("/A")
            copies.append(
                Copy(concept, unit, start, end, days, value, known, withdrawn, accession, tier, cycle, amendment)
            )
    return copies


def _copies_of_batch(batch: Batch, cik: int, *, concepts: Collection[str] | None = None) -> Iterator[Copy]:
    for accession, facts in batch.facts[cik].items():
        wanted = facts if concepts is None else [each for each in facts if each[0] in concepts]
        yield from copies_of(batch.filings[cik, accession], wanted)


def _values_in(connection: psycopg.Connection, cik: int, windows: Sequence[Window]) -> dict[ValueKey, MetricVersion]:
    rows = connection.execute(_SQL["values_in_windows"], {"cik": cik, **_window_columns(windows)})
    return {_key(value): value for value in map(version_of_row, rows)}


def version_of_row(row: Sequence[Any]) -> MetricVersion:
    """One row of `metric_value`, its columns in the order of `MetricVersion` and `sources` as JSON text."""
    *columns, sources, flags, numerator, denominator = row
    found = msgspec.json.decode(sources, type=tuple[Source, ...]) if sources else ()
    names = MetricVersion.__struct_fields__
    return MetricVersion(**dict(zip(names, (*columns, found, tuple(flags), numerator, denominator), strict=True)))


def _window_columns(windows: Sequence[Window]) -> dict[str, list[date]]:
    return {"low": [low for low, _ in windows], "high": [high for _, high in windows]}


def _value_line(cik: int, row: MetricVersion) -> str:
    concept = escape(row.concept) if row.concept else NULL
    sources = escape(msgspec.json.encode(row.sources).decode()) if row.sources else NULL
    return (
        f"{cik}\t{row.metric}\t{row.period_type}\t{row.period or NULL}"
        f"\t{_iso(row.period_start) if row.period_start else NULL}\t{_iso(row.period_end)}"
        f"\t{row.duration_days}\t{row.calendar_offset}\t{row.revision}\t{_iso(row.known_from)}"
        f"\t{_iso(row.known_to) if row.known_to else NULL}\t{_digits(row.value)}\t{escape(row.unit)}\t{row.accession}"
        f"\t{concept}\t{sources}\t{{{','.join(row.flags)}}}"
        f"\t{NULL if row.numerator is None else _digits(row.numerator)}"
        f"\t{NULL if row.denominator is None else _digits(row.denominator)}"
    )


def _check_line(cik: int, check: BrokenCheck) -> str:
    return (
        f"{cik}\t{check.accession}\t{check.check_name}\t{check.period_start or NULL}\t{check.period_end}"
        f"\t{check.duration_days}\t{check.stated!s}\t{check.expected!s}"
    )


def _split_line(cik: int, split: Split) -> str:
    return (
        f"{cik}\t{_iso(split.filed_from)}\t{split.ratio:f}\t{split.accession}\t{_iso(split.known_from)}"
        f"\t{_iso(split.known_to) if split.known_to else NULL}"
    )


@lru_cache(maxsize=65_536)
def _iso(day_or_instant: date) -> str:
    """The text of one of the few days and instants that stand in many rows."""
    return day_or_instant.isoformat()


def _digits(value: Decimal) -> str:
    """
    A number without zeros at its end.

    Rows are held against those before them as numbers: one that was reached in another way must not read otherwise.
    """
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def changed_cells(before: Iterable[MetricVersion], after: Iterable[MetricVersion]) -> set[Cell]:
    """The calendar periods of metrics in which the latest value differs between two states of a company."""
    return {(row[0], row[1]) for row in _latest(before) ^ _latest(after)}


_Latest = tuple[
    str, str, date, int, Decimal, str, datetime, str, tuple[str, ...], Decimal | None, Decimal | None
]  # fmt: skip


def _latest(rows: Iterable[MetricVersion]) -> set[_Latest]:
    return {
        (
            row.metric, row.period, row.period_end, row.duration_days, row.value, row.unit, row.known_from,
            row.accession, row.flags, row.numerator, row.denominator,
        )
        for row in rows
        if row.known_to is None and row.period is not None
    }  # fmt: skip
