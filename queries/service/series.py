"""Values of metrics over time."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import batched

from queries.connections import ReadSources
from queries.metrics.catalogue import Metric, is_changed_by_splits
from queries.metrics.periods import calendar_label, fiscal_label
from queries.read_models.aggregate_fragment import plain
from queries.read_models.answer_meta import AnswerMeta
from queries.read_models.series import SERIES, SeriesRow
from queries.service.absence import (
    CALENDAR_METRICS,
    Absence,
    Known,
    first_end_consulted,
    metrics_consulted,
    unit_in,
    why_absent,
)
from queries.service.companies import Company, as_known_at, find_companies
from queries.service.lineage import predecessors_of
from queries.service.metrics import find_metrics
from queries.service.remarks import remarks_on
from queries.service.result import Result, meta_of
from queries.service.series_query import CompanySeriesQuery, PeriodsAsked, PeriodTypes, SeriesQuery, View, view_asked
from queries.service.splits import (
    ShareValue,
    Split,
    on_todays_basis,
    share_values,
    shown,
    split_factor,
    splits_known,
    splits_since,
)
from queries.service.statements import load_statements
from queries.service.time_line import (
    TYPICAL_DAYS,
    Line,
    Slot,
    Value,
    beside_each_other,
    fiscal_of,
    gap_in,
    label_of,
    line_of,
    of_company,
)
from queries.tables import Snapshot

_SQL = load_statements("series.sql")

_AT_ONCE = 500
"""So many values are worked out before others are answered."""


async def company_series(sources: ReadSources, query: CompanySeriesQuery) -> Result:
    """
    This will give the values of one company.

    Raises:
        QueryError: a company or metric is unknown or ambiguous, or the arguments contradict each other.
    """
    found, meta = await read_series(sources, references=(query.company,), keys=query.metrics, asked=query)
    return Result(read_model=SERIES, meta=meta, rows=[row for _, row in found])


async def many_series(sources: ReadSources, query: SeriesQuery) -> Result:
    """
    This will give the values of several companies.

    Raises:
        QueryError: a company or metric is unknown or ambiguous, or the arguments contradict each other.
    """
    found, meta = await read_series(sources, references=query.companies, keys=query.metrics, asked=query)
    return Result(read_model=SERIES, meta=meta, rows=[row for _, row in found])


async def read_series(
    sources: ReadSources, *, references: Sequence[str], keys: Sequence[str], asked: PeriodsAsked, aligned: bool = False
) -> tuple[list[tuple[Slot, SeriesRow]], AnswerMeta]:
    """
    This will give the values of companies with their places on the time line: each company over the periods it has, or
    `aligned`, all over the same periods and by metric and period.

    Raises:
        QueryError: a company or metric is unknown or ambiguous, or the arguments contradict each other.
    """
    view = view_asked(asked)
    metrics = find_metrics(keys)
    warnings = list(_misfits(metrics, asked))
    fitting = [metric for metric in metrics if asked.period_type != "instant" or metric.over == "instant"]
    async with sources.snapshot() as snapshot:
        companies = await find_companies(snapshot, references)
        ciks = [company.cik for company in companies]
        earlier = await predecessors_of(snapshot, ciks) if asked.through else []
        companies = await as_known_at(snapshot, companies, asked.as_of, earlier=earlier)
        origins = list(dict.fromkeys([*ciks, *(each.origin for each in earlier)]))
        values = await _values(snapshot, ciks=origins, metrics=fitting, asked=asked, view=view)
        lines = [
            line_of(
                company,
                metrics=fitting,
                values=of_company(company, values, earlier),
                asked=asked,
                view=view,
                aligned=aligned,
            )
            for company in companies
        ]
        if aligned:
            lines = beside_each_other(lines, asked=asked)
        cells = [(line, *cell) for line in lines for cell in line.cells(fitting)]
        if aligned:
            # Sorting is stable: the companies stay in the order asked for.
            cells.sort(key=lambda cell: (fitting.index(cell[1]), cell[2]))
        absences = await _absences(snapshot, lines, metrics=fitting, asked=asked)
        splits: list[Split] = []
        if any(map(is_changed_by_splits, fitting)):
            splits = await splits_known(snapshot, origins, as_of=asked.as_of)
        behind: dict[int, list[ShareValue]] = defaultdict(list)
        for share_value in await share_values(snapshot, origins, fitting) if splits else ():
            behind[share_value.cik].append(share_value)
        rows: list[SeriesRow] = []
        for part in batched(cells, _AT_ONCE):
            rows += (
                _row(line.company, metric, found, splits=splits, behind=behind[found.cik], asked=asked)
                if found is not None
                else _absent(line, metric, slot, absences[line.company.cik, metric.key, slot], asked.period_type)
                for line, metric, slot, found in part
            )
            await asyncio.sleep(0)
        warnings += [
            f"{line.company.display} has no value of the metrics asked for in these periods"
            for line in lines
            if not line.chosen
        ]
        # A later absence of the same metric says the same of the newest period.
        newest = {(cik, metric): absence for (cik, metric, _), absence in absences.items()}
        names = {company.cik: company.display for company in companies}
        warnings += remarks_on(rows, names=names, newest=newest)
        placed = [(slot, row) for (_, _, slot, _), row in zip(cells, rows, strict=True)]
        return placed, meta_of(snapshot.freshness, as_of=asked.as_of, warnings=warnings)


def _misfits(metrics: Iterable[Metric], asked: PeriodsAsked) -> Iterable[str]:
    for metric in metrics:
        if asked.period_type == "instant" and metric.over == "duration":
            yield f"{metric.key} covers a duration; ask for it with period_type annual, quarterly or ttm"


async def _values(
    snapshot: Snapshot, *, ciks: Sequence[int], metrics: Sequence[Metric], asked: PeriodsAsked, view: View
) -> list[Value]:
    kinds = {asked.period_type, "instant"}
    calendar_kinds = {"annual", "quarterly", "ttm"} if asked.period_type == "ttm" else {asked.period_type}
    keys = [metric.key for metric in metrics]
    return await snapshot.fetch(
        Value,
        _SQL["values"],
        {
            "ciks": list(ciks),
            "metrics": [key for key in keys if key not in CALENDAR_METRICS],
            "period_types": list(kinds),
            "since": None,
            "calendar_metrics": list(CALENDAR_METRICS),
            "calendar_types": list(kinds | calendar_kinds if set(keys) & set(CALENDAR_METRICS) else calendar_kinds),
            "view": view,
            "as_of": asked.as_of,
        },
    )


async def _absences(
    snapshot: Snapshot, lines: Iterable[Line], *, metrics: Sequence[Metric], asked: PeriodsAsked
) -> dict[tuple[int, str, Slot], Absence]:
    """Why each value that is missing is missing, by company, metric and slot."""
    missing = [
        (line, metric, slot, gap_in(line, metric, slot, period_type=asked.period_type))
        for line in lines
        for metric, slot, found in line.cells(metrics)
        if found is None
    ]
    if not missing:
        return {}
    consulted = set[str]().union(*(metrics_consulted(metric) for _, metric, _, _ in missing))
    values = await snapshot.fetch(
        Value,
        _SQL["values"],
        {
            "ciks": list({gap.cik for *_, gap in missing}),
            "metrics": list(consulted),
            "period_types": ["annual", "quarterly", "ttm", "instant"],
            "since": first_end_consulted(gap.place for *_, gap in missing),
            # However old, the newest twelve months are named.
            "calendar_metrics": list({metric.key for _, metric, _, _ in missing}),
            "calendar_types": ["ttm"] if asked.period_type == "ttm" else [],
            "view": "as_of" if asked.as_of else "latest",
            "as_of": asked.as_of,
        },
    )
    by_cik: dict[int, list[Value]] = defaultdict(list)
    for value in values:
        by_cik[value.cik].append(value)
    known = {cik: Known(of_cik) for cik, of_cik in by_cik.items()}
    nothing: Known[Value] = Known(())
    absences: dict[tuple[int, str, Slot], Absence] = {}
    for part in batched(missing, _AT_ONCE):
        absences |= {
            (line.company.cik, metric.key, slot): Absence(reason="parked")
            if line.company.parked
            else why_absent(metric, gap.place, sics=line.company.sics, known=known.get(gap.cik, nothing))
            for line, metric, slot, gap in part
        }
        await asyncio.sleep(0)
    return absences


def _row(
    company: Company,
    metric: Metric,
    value: Value,
    *,
    splits: Sequence[Split],
    behind: Sequence[ShareValue],
    asked: PeriodsAsked,
) -> SeriesRow:
    fiscal = fiscal_of(value, company)
    shown_value, flags, factor = value.value, value.flags, None
    if is_changed_by_splits(metric):
        since = splits_since(
            metric, splits, cik=value.cik, place=value.place, known_from=value.known_from, behind=behind
        )
        factor = None if since is None else split_factor(since)
        if asked.adjust and factor is not None and factor != 1:
            shown_value, flags = on_todays_basis(value.value, metric, factor=factor), [*flags, "split_adjusted"]
    return SeriesRow(
        company=company.display,
        cik=value.cik,
        metric=value.metric,
        unit=value.unit,
        period=value.period,
        period_start=value.period_start,
        period_end=value.period_end,
        fiscal_year=fiscal[0] if fiscal else None,
        fiscal_period=fiscal[1] if fiscal else None,
        value=plain(shown_value),
        accession=value.accession,
        known_from=value.known_from,
        flags=[*flags, "parked"] if company.parked else flags,
        reason=None,
        split_factor=None if factor is None else shown(factor),
    )


def _absent(line: Line, metric: Metric, slot: Slot, absence: Absence, period_type: PeriodTypes) -> SeriesRow:
    """The row of a period the company has and for which this metric has no value."""
    cik, place, start = gap_in(line, metric, slot, period_type=period_type)
    end = place.end
    days = 0 if period_type == "ttm" else TYPICAL_DAYS[period_type] if place.days is None else place.days
    fiscal = fiscal_label(end, days, line.company.latest_fiscal_year_end) if end else None
    period: str | None = label_of(slot, period_type)
    if place.kind == "instant":
        period = calendar_label(end, 0)[0] if end else f"CY{slot[0]}Q{slot[1] or 4}I"
    return SeriesRow(
        company=line.company.display,
        cik=cik,
        metric=metric.key,
        unit=unit_in(metric, line.currency(slot)),
        period=period,
        period_start=start,
        period_end=end,
        fiscal_year=fiscal[0] if fiscal else None,
        fiscal_period=fiscal[1] if fiscal else None,
        value=None,
        accession=None,
        known_from=None,
        flags=[absence.reason],
        reason=absence.reason,
        split_factor=None,
    )
