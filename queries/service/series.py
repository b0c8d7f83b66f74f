"""Values of metrics over time."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.metrics.catalogue import Metric
from queries.metrics.periods import calendar_label, fiscal_label
from queries.read_models.aggregate_fragment import plain
from queries.read_models.series import SERIES, SeriesRow
from queries.service.arguments import AsOf, Query, argument, contradiction
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.companies import Company, find_companies
from queries.service.metrics import find_metrics
from queries.service.result import Result, meta_of
from queries.service.statements import load_statements

_SQL = load_statements("series.sql")
_LABEL = re.compile(r"CY(\d{4})(?:Q([1-4])(?:I|TTM)?)?")
_DEFAULT_PERIODS = 10
_TYPICAL_DAYS = {"annual": 365, "quarterly": 91, "ttm": 91}

MAX_COMPANIES = 20
MAX_METRICS = 12
MAX_PERIODS = 60

PeriodTypes = Literal["annual", "quarterly", "ttm", "instant"]
View = Literal["latest", "first", "as_of"]

Metrics = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=60)], ...],
    argument(
        "Keys of metrics, see /v1/metrics.",
        example=["revenue", "net_income"],
        min_length=1,
        max_length=MAX_METRICS,
    ),
]


class PeriodsAsked(Query, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Which periods, and in which view of knowledge."""

    period_type: Annotated[
        PeriodTypes,
        argument(
            "annual, quarterly, or ttm (twelve months up to each quarter's end); balances are those at these ends. "
            "instant: balances at every quarter end.",
            example="annual",
        ),
    ] = "annual"
    last: Annotated[
        int | None,
        argument(
            f"The latest so many periods (default {_DEFAULT_PERIODS} without from and to).",
            example=5,
            ge=1,
            le=MAX_PERIODS,
        ),
    ] = None
    from_: Annotated[
        AskedPeriod | None,
        argument(
            "First period: CY2020, CY2020Q1, FY2020, or the first day its end may fall on.",
            example="CY2020",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ] = None
    to: Annotated[
        AskedPeriod | None,
        argument(
            "Last period, in the forms of from.",
            example="CY2024",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ] = None
    view: Annotated[
        View | None,
        argument(
            "latest (restatements included), first (as first reported), or as_of. Default: as_of where as_of is "
            "given, else latest.",
            example="latest",
        ),
    ] = None
    as_of: AsOf = None


class CompanySeriesQuery(PeriodsAsked, frozen=True, kw_only=True):
    """Which values of one company."""

    company: Annotated[
        str,
        argument(
            "A company: its CIK, a ticker, or its exact name.",
            example="AAPL",
            min_length=1,
            max_length=200,
            in_path=True,
        ),
    ]
    metrics: Metrics


class SeriesQuery(PeriodsAsked, frozen=True, kw_only=True):
    """Which values of some companies."""

    companies: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=200)], ...],
        argument(
            "Companies: each a CIK, a ticker, or an exact name.",
            example=["AAPL", "MSFT"],
            min_length=1,
            max_length=MAX_COMPANIES,
        ),
    ]
    metrics: Metrics


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    metric: str
    unit: str
    period_type: str
    period: str | None
    period_start: date | None
    period_end: date
    duration_days: int
    calendar_offset: int
    value: Decimal
    accession: str
    known_from: datetime
    flags: list[str]


_Slot = tuple[int, int]
"""A place on a company's time line, the same for durations and the balances at their ends: (year, quarter)."""


async def company_series(sources: ReadSources, query: CompanySeriesQuery) -> Result:
    """
    This will give the values of one company.

    Raises:
        QueryError: a company or metric is unknown or ambiguous, or the arguments contradict each other.
    """
    return await _series(sources, references=(query.company,), keys=query.metrics, asked=query)


async def many_series(sources: ReadSources, query: SeriesQuery) -> Result:
    """
    This will give the values of several companies.

    Raises:
        QueryError: a company or metric is unknown or ambiguous, or the arguments contradict each other.
    """
    return await _series(sources, references=query.companies, keys=query.metrics, asked=query)


async def _series(
    sources: ReadSources, *, references: Sequence[str], keys: Sequence[str], asked: PeriodsAsked
) -> Result:
    view = _view(asked)
    metrics = find_metrics(keys)
    warnings = list(_misfits(metrics, asked))
    async with sources.snapshot() as snapshot:
        companies = await find_companies(snapshot, references)
        values = await _values(snapshot, companies=companies, metrics=metrics, asked=asked, view=view)
        by_company: dict[int, list[_Value]] = defaultdict(list)
        for value in values:
            by_company[value.cik].append(value)
        rows = [
            row
            for company in companies
            for row in _company_rows(company, metrics=metrics, values=by_company[company.cik], asked=asked)
        ]
        warnings += [
            f"{company.display} has no value of the metrics asked for in these periods"
            for company in companies
            if not any(row.cik == company.cik for row in rows)
        ]
        return Result(
            read_model=SERIES,
            meta=meta_of(snapshot.freshness, as_of=asked.as_of, warnings=warnings),
            rows=rows,
        )


def _view(asked: PeriodsAsked) -> View:
    if asked.view == "as_of" and asked.as_of is None:
        raise contradiction("as_of", reason="view=as_of needs it", fix="add as_of, for example as_of=2023-12-31")
    if asked.view == "latest" and asked.as_of is not None:
        raise contradiction("view", reason="view=latest contradicts as_of", fix="drop view or as_of")
    if asked.last is not None and asked.from_ is not None and asked.to is not None:
        raise contradiction("last", reason="from and to leave nothing to last", fix="drop last, from or to")
    return asked.view or ("as_of" if asked.as_of else "latest")


def _misfits(metrics: Iterable[Metric], asked: PeriodsAsked) -> Iterable[str]:
    if asked.period_type == "instant":
        for metric in metrics:
            if metric.over == "duration":
                yield f"{metric.key} covers a duration; ask for it with period_type annual or quarterly"


async def _values(
    snapshot: Snapshot, *, companies: Sequence[Company], metrics: Sequence[Metric], asked: PeriodsAsked, view: View
) -> list[_Value]:
    return await snapshot.fetch(
        _Value,
        _SQL["values"],
        {
            "ciks": [company.cik for company in companies],
            "metrics": [metric.key for metric in metrics],
            "period_types": list({asked.period_type, "instant"}),
            "view": view,
            "as_of": asked.as_of,
        },
    )


def _company_rows(
    company: Company, *, metrics: Sequence[Metric], values: Sequence[_Value], asked: PeriodsAsked
) -> list[SeriesRow]:
    over = {metric.key: metric.over for metric in metrics}
    # A metric over a duration has instants only by mistake of its source; they are not what is asked for.
    fitting = [value for value in values if (value.duration_days == 0) == (over[value.metric] == "instant")]
    closed = {value.period_end: slot for value in fitting if value.duration_days and (slot := _labelled(value.period))}
    chosen: dict[tuple[str, _Slot], _Value] = {}
    for value in fitting:
        slot = _slot(value, company=company, period_type=asked.period_type, closed=closed)
        if slot is None or not _inside(value, company=company, asked=asked):
            continue
        held = chosen.get((value.metric, slot))
        if held is None or _stands_before(value, held):
            chosen[value.metric, slot] = value
    slots = sorted({slot for _, slot in chosen})
    wanted = asked.last or (MAX_PERIODS if asked.from_ or asked.to else _DEFAULT_PERIODS)
    # With a first period but no last one, the count runs forward from it.
    slots = slots[:wanted] if asked.last and asked.from_ else slots[-wanted:]
    rows: list[SeriesRow] = []
    for metric in metrics:
        if asked.period_type == "instant" and metric.over == "duration":
            continue
        for slot in slots:
            found = chosen.get((metric.key, slot))
            if found is not None:
                rows.append(_row(company, found))
                continue
            beside = [other for (_, at), other in chosen.items() if at == slot]
            rows.append(_absent(company, metric, slot=slot, beside=beside, period_type=asked.period_type))
    return rows


def _slot(value: _Value, *, company: Company, period_type: PeriodTypes, closed: Mapping[date, _Slot]) -> _Slot | None:
    """
    Where a value stands. A balance stands with the period it closes; in annual answers only the balances at the ends of
    fiscal years count.
    """
    if value.duration_days or period_type == "instant":
        return _labelled(value.period)
    if value.period_end in closed:
        return closed[value.period_end]
    if period_type == "annual":
        fiscal = fiscal_label(value.period_end, 0, company.latest_fiscal_year_end)
        if fiscal is None or fiscal[1] != "FY":
            return None
    return _labelled(calendar_label(value.period_end, _TYPICAL_DAYS[period_type])[0])


def _labelled(label: str | None) -> _Slot | None:
    match = _LABEL.fullmatch(label or "")
    return (int(match[1]), int(match[2] or 0)) if match else None


def _inside(value: _Value, *, company: Company, asked: PeriodsAsked) -> bool:
    if asked.from_ is None and asked.to is None:
        return True
    return (asked.from_ is None or _compare(value, asked.from_, company=company) >= 0) and (
        asked.to is None or _compare(value, asked.to, company=company) <= 0
    )


def _compare(value: _Value, bound: AskedPeriod, *, company: Company) -> int:
    """-1, 0 or 1: before, in or after the bound, in the bound's own calendar and grain."""
    if bound.end is not None:
        return (value.period_end > bound.end) - (value.period_end < bound.end)
    if bound.kind == "fiscal":
        fiscal = _fiscal(value, company)
        at = (fiscal[0], 4 if fiscal[1] == "FY" else int(fiscal[1][1])) if fiscal else (value.period_end.year, 4)
    else:
        match = _LABEL.fullmatch(value.period or "")
        at = (int(match[1]), int(match[2] or 4)) if match else (value.period_end.year, 4)
    mine: tuple[int, ...] = at if bound.quarter else at[:1]
    theirs: tuple[int, ...] = (bound.year, bound.quarter) if bound.quarter else (bound.year,)
    return (mine > theirs) - (mine < theirs)


def _stands_before(value: _Value, held: _Value) -> bool:
    """Whether of two own periods under one calendar label this one stands for it."""
    distance, other = abs(value.calendar_offset), abs(held.calendar_offset)
    return distance < other or (distance == other and value.known_from > held.known_from)


def _row(company: Company, value: _Value) -> SeriesRow:
    fiscal = _fiscal(value, company)
    return SeriesRow(
        company=company.display,
        cik=company.cik,
        metric=value.metric,
        unit=value.unit,
        period=value.period,
        period_start=value.period_start,
        period_end=value.period_end,
        fiscal_year=fiscal[0] if fiscal else None,
        fiscal_period=fiscal[1] if fiscal else None,
        value=plain(value.value),
        accession=value.accession,
        known_from=value.known_from,
        flags=value.flags,
    )


def _fiscal(value: _Value, company: Company) -> tuple[int, str] | None:
    # Twelve months that end in the midst of a fiscal year go by the day they end on.
    days = 0 if value.period_type == "ttm" else value.duration_days
    return fiscal_label(value.period_end, days, company.latest_fiscal_year_end)


def _absent(
    company: Company, metric: Metric, *, slot: _Slot, beside: Sequence[_Value], period_type: PeriodTypes
) -> SeriesRow:
    """The row of a period for which other metrics have a value and this one has none."""
    instant = metric.over == "instant"
    alike = next((value for value in beside if (value.duration_days == 0) == instant), None)
    end = (alike or beside[0]).period_end
    days = 0 if instant or period_type == "ttm" else alike.duration_days if alike else _TYPICAL_DAYS[period_type]
    fiscal = fiscal_label(end, days, company.latest_fiscal_year_end)
    year, quarter = slot
    label = f"CY{year}Q{quarter}{'TTM' if period_type == 'ttm' else ''}" if quarter else f"CY{year}"
    return SeriesRow(
        company=company.display,
        cik=company.cik,
        metric=metric.key,
        unit=metric.unit,
        period=calendar_label(end, 0)[0] if instant else label,
        period_start=alike.period_start if alike else None,
        period_end=end,
        fiscal_year=fiscal[0] if fiscal else None,
        fiscal_period=fiscal[1] if fiscal else None,
        value=None,
        accession=None,
        known_from=None,
        flags=["not_reported"],
    )
