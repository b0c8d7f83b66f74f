"""Values of metrics over time."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.metrics.catalogue import Metric
from queries.metrics.periods import (
    calendar_label,
    distance_from_label,
    duration_days,
    fiscal_label,
    trailing_label,
    year_before,
)
from queries.read_models.aggregate_fragment import plain
from queries.read_models.series import SERIES, SeriesRow
from queries.service.absence import (
    CALENDAR_METRICS,
    Absence,
    Known,
    Place,
    first_end_consulted,
    metrics_consulted,
    why_absent,
)
from queries.service.arguments import AsOf, Query, argument, contradiction
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.companies import Company, find_companies
from queries.service.lineage import Predecessor, predecessors_of
from queries.service.metrics import find_metrics
from queries.service.remarks import remarks_on
from queries.service.result import Result, meta_of
from queries.service.splits import Split, on_todays_basis, shown, split_factor, splits_after, splits_known
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
        of="MetricKey",
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
    adjust: Annotated[
        Literal["splits"] | None,
        argument(
            "splits: figures per share and share counts on today's basis (or that of as_of), by the splits the filings "
            "show. Without it each keeps the basis of its filing.",
            example="splits",
        ),
    ] = None
    through: Annotated[
        Literal["predecessors"] | None,
        argument(
            "predecessors: where a company goes on under another CIK, its earlier periods as well; cik and the flag "
            "predecessor tell whose they are.",
            example="predecessors",
        ),
    ] = None


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

    @property
    def distance(self) -> int:
        """How many days the period is from the calendar period it stands for."""
        return distance_from_label(self.period_type, self.period_end, self.calendar_offset)


_Slot = tuple[int, int]
"""A place on a company's time line, the same for durations and the balances at their ends: (year, quarter)."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """One company's values of the metrics asked for, each in its slot, and which slots the company has."""

    company: Company
    chosen: dict[tuple[str, _Slot], _Value]
    beside: dict[_Slot, list[_Value]]
    slots: list[_Slot]

    def cells(self, metrics: Iterable[Metric]) -> Iterator[tuple[Metric, _Slot, _Value | None]]:
        """Every metric's value in every slot, metric by metric."""
        for metric in metrics:
            for slot in self.slots:
                yield metric, slot, self.chosen.get((metric.key, slot))


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
    fitting = [metric for metric in metrics if asked.period_type != "instant" or metric.over == "instant"]
    async with sources.snapshot() as snapshot:
        companies = await find_companies(snapshot, references)
        ciks = [company.cik for company in companies]
        earlier = await predecessors_of(snapshot, ciks) if asked.through else []
        origins = list(dict.fromkeys([*ciks, *(each.origin for each in earlier)]))
        values = await _values(snapshot, ciks=origins, metrics=fitting, asked=asked, view=view)
        lines = [
            _line(company, metrics=fitting, values=_of_company(company, values, earlier), asked=asked, view=view)
            for company in companies
        ]
        absences = await _absences(snapshot, lines, metrics=fitting, asked=asked)
        splits: list[Split] = []
        if any(metric.split_sensitive for metric in fitting):
            splits = await splits_known(snapshot, origins, as_of=asked.as_of)
        rows = [
            _row(line.company, metric, found, splits=splits, asked=asked)
            if found is not None
            else _absent(line, metric, slot, absences[line.company.cik, metric.key, slot], asked.period_type)
            for line in lines
            for metric, slot, found in line.cells(fitting)
        ]
        warnings += [
            f"{line.company.display} has no value of the metrics asked for in these periods"
            for line in lines
            if not line.chosen
        ]
        # A later absence of the same metric says the same of the newest period.
        newest = {(cik, metric): absence for (cik, metric, _), absence in absences.items()}
        warnings += remarks_on(rows, newest=newest)
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
    for metric in metrics:
        if asked.period_type == "instant" and metric.over == "duration":
            yield f"{metric.key} covers a duration; ask for it with period_type annual, quarterly or ttm"
        elif asked.adjust and "shares" in metric.unit and not metric.split_sensitive:
            yield f"{metric.key} is worked out from several figures and is not restated for splits"


async def _values(
    snapshot: Snapshot, *, ciks: Sequence[int], metrics: Sequence[Metric], asked: PeriodsAsked, view: View
) -> list[_Value]:
    kinds = {asked.period_type, "instant"}
    calendar_kinds = {"annual", "quarterly", "ttm"} if asked.period_type == "ttm" else {asked.period_type}
    keys = [metric.key for metric in metrics]
    return await snapshot.fetch(
        _Value,
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


def _of_company(company: Company, values: Iterable[_Value], earlier: Iterable[Predecessor]) -> list[_Value]:
    """A company's values, and those of its predecessors for the periods that ended before it went on."""
    before = {each.origin: each.before for each in earlier if each.cik == company.cik}
    return [
        value if value.cik == company.cik else msgspec.structs.replace(value, flags=[*value.flags, "predecessor"])
        for value in values
        if value.cik == company.cik or (value.cik in before and value.period_end < before[value.cik])
    ]


def _line(
    company: Company, *, metrics: Sequence[Metric], values: Sequence[_Value], asked: PeriodsAsked, view: View
) -> _Line:
    # A metric over a duration has instants only by mistake of its source; they are not what is asked for.
    kinds = {metric.key: "instant" if metric.over == "instant" else asked.period_type for metric in metrics}
    fitting = [value for value in values if kinds.get(value.metric) == value.period_type]
    calendar = list(_calendar(values, period_type=asked.period_type))
    closed = {
        value.period_end: slot
        for value in (*calendar, *fitting)
        if value.duration_days and (slot := _labelled(value.period))
    }
    chosen: dict[tuple[str, _Slot], _Value] = {}
    beside: dict[_Slot, list[_Value]] = defaultdict(list)
    for index, value in enumerate((*fitting, *calendar)):
        slot = _slot(value, company=company, period_type=asked.period_type, closed=closed)
        if slot is None or not _inside(value, company=company, asked=asked):
            continue
        beside[slot].append(value)
        held = chosen.get((value.metric, slot))
        if index < len(fitting) and (held is None or _stands_before(value, held, view=view)):
            chosen[value.metric, slot] = value
    slots = sorted(beside)
    wanted = asked.last or (MAX_PERIODS if asked.from_ or asked.to else _DEFAULT_PERIODS)
    # With a first period but no last one, the count runs forward from it.
    slots = slots[:wanted] if asked.last and asked.from_ else slots[-wanted:]
    return _Line(company=company, chosen=chosen, beside=beside, slots=slots)


def _calendar(values: Iterable[_Value], *, period_type: PeriodTypes) -> Iterator[_Value]:
    """Values that show which periods the company has, whatever metrics are asked for."""
    for value in values:
        if value.metric not in CALENDAR_METRICS:
            continue
        if value.period_type == period_type:
            yield value
        elif period_type == "ttm" and value.period_type in ("annual", "quarterly"):
            end = value.period_end
            start = year_before(end, 1) + timedelta(days=1)
            yield msgspec.structs.replace(
                value,
                period_type="ttm",
                period=trailing_label(end),
                period_start=start,
                duration_days=duration_days(start, end),
                calendar_offset=0,
            )


class _Gap(NamedTuple):
    """Where a value is missing: whose it would be, over which period, beginning when."""

    cik: int
    place: Place
    start: date | None


def _gap(line: _Line, metric: Metric, slot: _Slot, *, period_type: PeriodTypes) -> _Gap:
    instant = metric.over == "instant"
    beside = sorted(line.beside[slot], key=lambda value: value.distance)
    alike = next((value for value in beside if (value.duration_days == 0) == instant), None)
    nearest = alike or beside[0]
    kind: PeriodTypes = "instant" if instant else period_type
    days = 0 if instant else alike.duration_days if alike else None
    start = alike.period_start if alike else None
    return _Gap(nearest.cik, Place(kind=kind, end=nearest.period_end, days=days), start)


async def _absences(
    snapshot: Snapshot, lines: Iterable[_Line], *, metrics: Sequence[Metric], asked: PeriodsAsked
) -> dict[tuple[int, str, _Slot], Absence]:
    """Why each value that is missing is missing, by company, metric and slot."""
    missing = [
        (line, metric, slot, _gap(line, metric, slot, period_type=asked.period_type))
        for line in lines
        for metric, slot, found in line.cells(metrics)
        if found is None
    ]
    if not missing:
        return {}
    consulted = set[str]().union(*(metrics_consulted(metric) for _, metric, _, _ in missing))
    values = await snapshot.fetch(
        _Value,
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
    by_cik: dict[int, list[_Value]] = defaultdict(list)
    for value in values:
        by_cik[value.cik].append(value)
    known = {cik: Known(of_cik) for cik, of_cik in by_cik.items()}
    nothing: Known[_Value] = Known(())
    return {
        (line.company.cik, metric.key, slot): Absence(reason="parked")
        if line.company.parked
        else why_absent(metric, gap.place, sic=line.company.sic, known=known.get(gap.cik, nothing))
        for line, metric, slot, gap in missing
    }


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


def _stands_before(value: _Value, held: _Value, *, view: View) -> bool:
    """Whether of two own periods under one calendar label, or two companies' values for one, this one stands for it."""
    if value.distance != held.distance:
        return value.distance < held.distance
    known_before = value.known_from < held.known_from
    # What a successor merely repeats was known through its predecessor before.
    if value.cik != held.cik and (view == "first" or (value.value, value.unit) == (held.value, held.unit)):
        return known_before
    return value.known_from > held.known_from


def _row(company: Company, metric: Metric, value: _Value, *, splits: Sequence[Split], asked: PeriodsAsked) -> SeriesRow:
    fiscal = _fiscal(value, company)
    shown_value, flags, factor = value.value, value.flags, None
    if metric.split_sensitive:
        factor = split_factor(splits_after(splits, cik=value.cik, known_from=value.known_from))
        if asked.adjust and factor != 1:
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


def _fiscal(value: _Value, company: Company) -> tuple[int, str] | None:
    # Twelve months that end in the midst of a fiscal year go by the day they end on.
    days = 0 if value.period_type == "ttm" else value.duration_days
    return fiscal_label(value.period_end, days, company.latest_fiscal_year_end)


def _absent(line: _Line, metric: Metric, slot: _Slot, absence: Absence, period_type: PeriodTypes) -> SeriesRow:
    """The row of a period the company has and for which this metric has no value."""
    cik, place, start = _gap(line, metric, slot, period_type=period_type)
    end = line.beside[slot][0].period_end if place.end is None else place.end
    days = 0 if period_type == "ttm" else _TYPICAL_DAYS[period_type] if place.days is None else place.days
    fiscal = fiscal_label(end, days, line.company.latest_fiscal_year_end)
    year, quarter = slot
    label = f"CY{year}Q{quarter}{'TTM' if period_type == 'ttm' else ''}" if quarter else f"CY{year}"
    return SeriesRow(
        company=line.company.display,
        cik=cik,
        metric=metric.key,
        unit=metric.unit,
        period=calendar_label(end, 0)[0] if place.kind == "instant" else label,
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
