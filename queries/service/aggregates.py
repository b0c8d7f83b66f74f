"""Figures over groups of companies: from Redis as they stand there, else from the tables with the same bytes."""

import asyncio
from collections.abc import Sequence

import msgspec

from queries.cache import kept_answer, read_held
from queries.connections import ReadSources
from queries.metrics.groupings import EVERYBODY
from queries.read_models.aggregate import AGGREGATE, AggregateRow
from queries.read_models.aggregate_fragment import StoredAggregate, growth, public_row, weighted_change
from queries.service.aggregates_on_demand import work_out
from queries.service.aggregates_query import AggregatesQuery, Wanted, wanted_periods
from queries.service.result import ReadyResult, Result, meta_of
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("aggregates.sql")

_ROWS_AT_ONCE = 50
"""So many rows are rendered before others are answered."""


async def group_aggregates(sources: ReadSources, query: AggregatesQuery) -> Result | ReadyResult:
    """
    This will give the figures of every group, or of the groups asked for, sorted by period and group.

    Raises:
        QueryError: the metric is unknown, or no value of it has such a period.
    """
    wanted = wanted_periods(query)
    if not query.lies_ready:
        return await kept_answer(
            sources,
            query=query,
            read_model=AGGREGATE,
            work=lambda snapshot: _from_values(snapshot, wanted=wanted, query=query),
        )
    if wanted.ready_period is not None:
        ready = await _remembered(sources, wanted=wanted, period=wanted.ready_period, query=query)
        if ready is not None and query.groups is None:
            return ready
        if ready is not None:
            return _only(ready.unpack(), query, wanted=wanted)
    async with sources.snapshot() as snapshot:
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
                "groups": None if query.group_keys is None else list(query.group_keys),
            },
        )
        rows = await _rows(snapshot, stored)
        meta = meta_of(snapshot.freshness, warnings=wanted.warnings)
    return _only(Result(read_model=AGGREGATE, meta=meta, rows=rows), query, wanted=wanted)


async def _from_values(snapshot: Snapshot, *, wanted: Wanted, query: AggregatesQuery) -> Result:
    worked_out = await work_out(snapshot, wanted=wanted, query=query)
    rows = [
        msgspec.structs.replace(
            row,
            members=query.members_meant,
            growth=growth(each.unit, each.sum_of_both, each.sum_before),
            weighted_change=weighted_change(
                wanted.metric,
                now=(each.numerator_of_both, each.denominator_of_both),
                before=(each.numerator_before, each.denominator_before),
            ),
            expected=each.expected,
            not_applicable=each.not_applicable,
            other_unit=each.other_unit,
            not_reported=each.not_reported,
        )
        for row, each in zip(await _rows(snapshot, worked_out), worked_out, strict=True)
    ]
    meta = meta_of(snapshot.freshness, as_of=query.as_of, warnings=wanted.warnings)
    return _only(Result(read_model=AGGREGATE, meta=meta, rows=rows), query, wanted=wanted)


async def _remembered(
    sources: ReadSources, *, wanted: Wanted, period: str, query: AggregatesQuery
) -> ReadyResult | None:
    ready = await read_held(sources, lambda epoch: f"{{ff}}:{epoch}:agg:{wanted.metric.key}:{query.group_by}:{period}")
    if ready is None or ready.held is None or ready.position < query.least_position:
        return None
    warnings = msgspec.json.encode(wanted.warnings)
    meta_json = b'{%b,"as_of":null,"source":"redis","next_cursor":null,"warnings":%b}' % (ready.freshness, warnings)
    return ReadyResult(read_model=AGGREGATE, position=ready.position, rows_json=ready.held, meta_json=meta_json)


class _Named(msgspec.Struct):
    cik: int
    shown: str


async def _rows(snapshot: Snapshot, stored: Sequence[StoredAggregate]) -> list[AggregateRow]:
    ciks = sorted({cik for each in stored for cik in each.members()})
    names = {named.cik: named.shown for named in await snapshot.fetch(_Named, _SQL["names"], {"ciks": ciks})}
    rows = []
    for start in range(0, len(stored), _ROWS_AT_ONCE):
        rows += [public_row(each, names) for each in stored[start : start + _ROWS_AT_ONCE]]
        await asyncio.sleep(0)
    return rows


def _only(result: Result, query: AggregatesQuery, *, wanted: Wanted) -> Result:
    """The groups that were asked for, and what is to be said where there are none."""
    groups = query.group_keys
    held = {row.group for row in result.rows if isinstance(row, AggregateRow)}
    warnings = list(result.meta.warnings)
    if groups is None:
        if held:
            return result
        when = wanted.low if wanted.low == wanted.high else "these periods"
        who = "no company" if query.group_by == EVERYBODY else f"no company of any {query.group_by}"
        warnings.append(f"{who} has {wanted.metric.key} in {wanted.metric.unit} for {when}")
        return msgspec.structs.replace(result, meta=msgspec.structs.replace(result.meta, warnings=warnings))
    warnings += [f"no values for group {group!r}" for group in groups if group not in held]
    return msgspec.structs.replace(
        result,
        rows=[row for row in result.rows if isinstance(row, AggregateRow) and row.group in groups],
        meta=msgspec.structs.replace(result.meta, warnings=warnings),
    )
