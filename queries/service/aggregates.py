"""Figures over groups of companies: from Redis as they stand there, else from the table with the same bytes."""

from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.metrics.catalogue import Metric
from queries.read_models.aggregate import AGGREGATE, AggregateRow, MemberRow
from queries.read_models.aggregate_fragment import plain
from queries.service.arguments import Query, argument, contradiction
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.metrics import find_metrics
from queries.service.result import ReadyResult, Result, meta_of
from queries.service.statements import load_statements

_SQL = load_statements("aggregates.sql")
_EPOCH_KEY = "{ff}:epoch"
_POSITION_PREFIX = b'"position":'

GroupBy = Literal["all", "sector", "industry"]


class AggregatesQuery(Query, frozen=True, kw_only=True):
    """Which groups' figures."""

    metric: Annotated[
        str, argument("Key of a metric, see /v1/metrics.", example="revenue", max_length=60, of="MetricKey")
    ]
    group_by: Annotated[
        GroupBy,
        argument(
            "How companies are grouped: all together, by SIC division, by four-digit SIC industry.", example="sector"
        ),
    ] = "sector"
    period: Annotated[
        AskedPeriod,
        argument(
            "Calendar year: CY2024. Metrics that stand at an instant are those at its end: CY2024Q4I.",
            example="CY2023",
            pattern=PERIOD_PATTERN,
            read=read_period,
        ),
    ]
    groups: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=60)], ...] | None,
        argument("Only these groups.", example=["manufacturing", "retail-trade"], min_length=1, max_length=50),
    ] = None


class _Figures(msgspec.Struct, frozen=True, kw_only=True):
    metric: str
    period: str
    group_by: str
    group_key: str
    unit: str
    n: int
    sum: Decimal
    mean: Decimal
    min: Decimal
    p10: Decimal
    p25: Decimal
    median: Decimal
    p75: Decimal
    p90: Decimal
    max: Decimal
    top: str
    bottom: str


class _Wanted(msgspec.Struct, frozen=True):
    metric: Metric
    period: str
    warnings: tuple[str, ...]


async def group_aggregates(sources: ReadSources, query: AggregatesQuery) -> Result | ReadyResult:
    """
    This will give the figures of every group, or of the groups asked for, sorted by group.

    Raises:
        QueryError: the metric is unknown, or aggregates of such a period are not kept.
    """
    wanted = _wanted(query.metric, query.period)
    ready = await _remembered(sources, wanted=wanted, query=query)
    if ready is not None and query.groups is None:
        return ready
    if ready is not None:
        return _only(ready.unpack(), query.groups)
    async with sources.snapshot() as snapshot:
        rows = await _rows(snapshot, wanted=wanted, group_by=query.group_by)
        meta = meta_of(snapshot.freshness, warnings=wanted.warnings)
    return _only(Result(read_model=AGGREGATE, meta=meta, rows=rows), query.groups)


@lru_cache(maxsize=4096)
def _wanted(key: str, asked: AskedPeriod) -> _Wanted:
    metric = find_metrics((key,))[0]
    if asked.kind != "calendar":
        raise contradiction(
            "period",
            reason="groups are compared by calendar periods, not by each company's own",
            fix=f"use a calendar year such as CY{asked.year}",
        )
    at_end = f"CY{asked.year}Q4I"
    if metric.over == "instant":
        if asked.quarter is None:
            return _Wanted(metric, at_end, (f"{metric.key} stands at an instant: {asked.label} means {at_end}",))
        if asked.label == at_end:
            return _Wanted(metric, at_end, ())
    elif asked.quarter is None:
        return _Wanted(metric, asked.label, ())
    raise contradiction(
        "period",
        reason=f"aggregates of {metric.key} are kept for calendar years",
        fix=f"use CY{asked.year}",
    )


async def _remembered(sources: ReadSources, *, wanted: _Wanted, query: AggregatesQuery) -> ReadyResult | None:
    # The epoch is read with the rest: keys of an epoch that has ended count for nothing, however fresh they look.
    for _ in range(2):
        epoch = sources.redis_epoch
        if epoch is None:
            first = await sources.remembered(_EPOCH_KEY)
            if first is None or first[0] is None:
                return None
            sources.redis_epoch = epoch = first[0].decode()
        fragment_key = f"{{ff}}:{epoch}:agg:{wanted.metric.key}:{query.group_by}:{wanted.period}"
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


async def _rows(snapshot: Snapshot, *, wanted: _Wanted, group_by: GroupBy) -> list[AggregateRow]:
    figures = await snapshot.fetch(
        _Figures,
        _SQL["of_period"],
        {"metric": wanted.metric.key, "group_by": group_by, "period": wanted.period},
    )
    return [
        AggregateRow(
            metric=row.metric,
            unit=row.unit,
            group_by=row.group_by,
            group=row.group_key,
            period=row.period,
            n=row.n,
            sum=plain(row.sum),
            mean=plain(row.mean),
            min=plain(row.min),
            p10=plain(row.p10),
            p25=plain(row.p25),
            median=plain(row.median),
            p75=plain(row.p75),
            p90=plain(row.p90),
            max=plain(row.max),
            top=_members(row.top),
            bottom=_members(row.bottom),
        )
        for row in sorted(figures, key=lambda row: row.group_key)
    ]


def _members(text: str) -> list[MemberRow]:
    members = msgspec.json.decode(text, type=list[MemberRow])
    return [msgspec.structs.replace(member, value=plain(member.value)) for member in members]


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
