"""Figures over groups of companies: from Redis as they stand there, else from the table with the same bytes."""

import re
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.metrics.catalogue import Metric
from queries.metrics.groupings import WHAT_GROUPS_ARE, GroupBy
from queries.read_models.aggregate import AGGREGATE, AggregateRow
from queries.read_models.aggregate_fragment import StoredAggregate, public_row
from queries.service.arguments import Query, argument, contradiction
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.calendar_period import calendar_period
from queries.service.metrics import find_metrics
from queries.service.result import ReadyResult, Result, meta_of
from queries.service.series_query import PeriodTypes
from queries.service.statements import load_statements

_SQL = load_statements("aggregates.sql")
_EPOCH_KEY = "{ff}:epoch"
_POSITION_PREFIX = b'"position":'
_HELD_READY = re.compile(r"CY\d{4}(Q4I)?")
"""The calendar periods of which Redis holds the aggregates."""

MAX_PERIODS = 60
_DEFAULT_PERIODS = 5

# The labels of each kind of period: how they end, for spans and for instants, and the form they all have.
_ENDINGS: dict[PeriodTypes, dict[Literal["duration", "instant"], str]] = {
    "annual": {"duration": "", "instant": "Q4I"},
    "quarterly": {"duration": "Q", "instant": "QI"},
    "ttm": {"duration": "QTTM", "instant": "QI"},
    "instant": {"instant": "QI"},
}


class AggregatesQuery(Query, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Which groups' figures, for which calendar periods."""

    metric: Annotated[
        str, argument("Key of a metric, see /v1/metrics.", example="revenue", max_length=60, of="MetricKey")
    ]
    group_by: Annotated[GroupBy, argument(f"How companies are grouped. {WHAT_GROUPS_ARE}.", example="sector")] = (
        "sector"
    )
    period: Annotated[
        AskedPeriod | None,
        argument(
            "One calendar period: CY2024, CY2024Q3, CY2024Q3TTM (twelve months), CY2024Q3I (instant). Metrics that "
            "stand at an instant are those at its end.",
            example="CY2023",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ] = None
    period_type: Annotated[
        PeriodTypes, argument("With last, from or to: the kind of calendar periods.", example="annual")
    ] = "annual"
    last: Annotated[
        int | None,
        argument(
            f"Instead of period: the latest so many (default {_DEFAULT_PERIODS} without period, from and to).",
            example=5,
            ge=1,
            le=MAX_PERIODS,
        ),
    ] = None
    from_: Annotated[
        AskedPeriod | None,
        argument("Instead of period: the first one.", example="CY2020", pattern=PERIOD_PATTERN, read=read_period),
    ] = None
    to: Annotated[
        AskedPeriod | None,
        argument("Instead of period: the last one.", example="CY2024", pattern=PERIOD_PATTERN, read=read_period),
    ] = None
    groups: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=60)], ...] | None,
        argument("Only these groups.", example=["manufacturing", "retail-trade"], min_length=1, max_length=50),
    ] = None


class _Wanted(msgspec.Struct, frozen=True):
    """Calendar periods of one form between two labels, the latest `last` of them."""

    metric: Metric
    low: str
    high: str
    form: str
    last: int
    warnings: tuple[str, ...]

    @property
    def ready_period(self) -> str | None:
        """The one period asked for, if Redis holds its kind."""
        return self.low if self.low == self.high and _HELD_READY.fullmatch(self.low) else None


async def group_aggregates(sources: ReadSources, query: AggregatesQuery) -> Result | ReadyResult:
    """
    This will give the figures of every group, or of the groups asked for, sorted by period and group.

    Raises:
        QueryError: the metric is unknown, or no value of it has such a period.
    """
    wanted = _wanted(query.metric, query.period, query.period_type, query.last, query.from_, query.to)
    if wanted.ready_period is not None:
        ready = await _remembered(sources, wanted=wanted, period=wanted.ready_period, query=query)
        if ready is not None and query.groups is None:
            return ready
        if ready is not None:
            return _only(ready.unpack(), query.groups)
    async with sources.snapshot() as snapshot:
        rows = await _rows(snapshot, wanted=wanted, query=query)
        meta = meta_of(snapshot.freshness, warnings=wanted.warnings)
    return _only(Result(read_model=AGGREGATE, meta=meta, rows=rows), query.groups)


@lru_cache(maxsize=4096)
def _wanted(
    key: str,
    period: AskedPeriod | None,
    period_type: PeriodTypes,
    last: int | None,
    first: AskedPeriod | None,
    to: AskedPeriod | None,
) -> _Wanted:
    metric = find_metrics((key,))[0]
    if period is not None:
        if first or to or last:
            raise contradiction("period", reason="period names one period", fix="drop period, or last, from and to")
        label, warnings = calendar_period(metric, period)
        return _Wanted(metric, label, label, "", 1, warnings)
    ending = _ENDINGS[period_type].get(metric.over)
    if ending is None:
        raise contradiction(
            "period_type", reason=f"{key} covers spans, not instants", fix="use annual, quarterly or ttm"
        )
    quarters = ending.startswith("Q") and ending != "Q4I"
    number, suffix = ("[1-4]", ending[1:]) if quarters else ("", ending)
    form = f"^CY[0-9]{{4}}{'Q' if quarters else ''}{number}{suffix}$"
    low = _edge("from", first, quarters=quarters, suffix=suffix, other=1) if first else "CY0000"
    high = _edge("to", to, quarters=quarters, suffix=suffix, other=4) if to else "CY9999Q4TTM"
    if low > high:
        raise contradiction("from", reason="it is after to", fix="swap from and to")
    most = last or (MAX_PERIODS if first or to else _DEFAULT_PERIODS)
    return _Wanted(metric, low, high, form, most, ())


def _edge(name: str, asked: AskedPeriod, *, quarters: bool, suffix: str, other: int) -> str:
    """The label of the first or last period meant: of a year, its first or last quarter."""
    if asked.kind != "calendar":
        raise contradiction(
            name,
            reason="companies are compared by calendar periods, not by each company's own",
            fix=f"use CY{asked.year}, for example",
        )
    if not quarters:
        return f"CY{asked.year}{suffix}"
    return f"CY{asked.year}Q{asked.quarter or other}{suffix}"


async def _remembered(
    sources: ReadSources, *, wanted: _Wanted, period: str, query: AggregatesQuery
) -> ReadyResult | None:
    # The epoch is read with the rest: keys of an epoch that has ended count for nothing, however fresh they look.
    for _ in range(2):
        epoch = sources.redis_epoch
        if epoch is None:
            first = await sources.remembered(_EPOCH_KEY)
            if first is None or first[0] is None:
                return None
            sources.redis_epoch = epoch = first[0].decode()
        fragment_key = f"{{ff}}:{epoch}:agg:{wanted.metric.key}:{query.group_by}:{period}"
        found = await sources.remembered(_EPOCH_KEY, f"{{ff}}:{epoch}:meta", fragment_key)
        if found is None:
            return None
        now, meta, fragment = found
        if now is None or now.decode() != epoch:
            sources.redis_epoch = None
            continue
        if meta is None or fragment is None or not meta.startswith(_POSITION_PREFIX):
            return None
        position = int(meta[len(_POSITION_PREFIX) : meta.index(b",")])
        if query.min_position is not None and position < query.min_position:
            return None
        warnings = msgspec.json.encode(wanted.warnings)
        meta_json = b'{%b,"as_of":null,"source":"redis","next_cursor":null,"warnings":%b}' % (meta, warnings)
        return ReadyResult(read_model=AGGREGATE, position=position, rows_json=fragment, meta_json=meta_json)
    return None


class _Named(msgspec.Struct):
    cik: int
    shown: str


async def _rows(snapshot: Snapshot, *, wanted: _Wanted, query: AggregatesQuery) -> list[AggregateRow]:
    stored = await snapshot.fetch(
        StoredAggregate,
        _SQL["of_periods"],
        {
            "metric": wanted.metric.key,
            "group_by": query.group_by,
            "low": wanted.low,
            "high": wanted.high,
            "form": wanted.form,
            "last": wanted.last,
            "groups": None if query.groups is None else list(query.groups),
        },
    )
    ciks = sorted({cik for row in stored for cik in row.members()})
    names = {named.cik: named.shown for named in await snapshot.fetch(_Named, _SQL["names"], {"ciks": ciks})}
    return [public_row(row, names) for row in stored]


def _only(result: Result, groups: tuple[str, ...] | None) -> Result:
    if groups is None:
        return result
    held = {row.group for row in result.rows if isinstance(row, AggregateRow)}
    warnings = [*result.meta.warnings, *(f"no values for group {group!r}" for group in groups if group not in held)]
    return msgspec.structs.replace(
        result,
        rows=[row for row in result.rows if isinstance(row, AggregateRow) and row.group in groups],
        meta=msgspec.structs.replace(result.meta, warnings=warnings),
    )
