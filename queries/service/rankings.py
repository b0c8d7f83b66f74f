"""Companies in the order of one metric, a page at a time: from the sorted sets in Redis, else from the tables."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.connections import ReadSources
from queries.metrics.catalogue import Metric
from queries.read_models.aggregate_fragment import plain
from queries.read_models.members import Members
from queries.read_models.ranking import RANKING, RankingRow
from queries.service.arguments import AsOf, Cursor, Query, argument
from queries.service.calendar_period import calendar_period
from queries.service.cells import Cell
from queries.service.cursor import read_cursor, write_cursor
from queries.service.empty_groups import nobody_has
from queries.service.frame_query import ComparedPeriod, Group, Grouping, MetricKey, Order, PageLimit, group_asked
from queries.service.group_figures import percentile
from queries.service.members import MembersAsked, members_meant, not_for, statements_by_members
from queries.service.metrics import find_metrics
from queries.service.rank_sets import ranked_page
from queries.service.result import Result, meta_of
from queries.tables import Snapshot

_SQL = statements_by_members("rankings.sql")


class RankingsQuery(Query, frozen=True, kw_only=True):
    """Which companies to rank by what."""

    metric: MetricKey
    period: ComparedPeriod
    group_by: Grouping = "all"
    group: Group = None
    order: Annotated[Order, argument("desc: the largest value is first; asc: the exact reverse.", example="desc")] = (
        "desc"
    )
    members: MembersAsked = None
    as_of: AsOf = None
    limit: PageLimit = 100
    cursor: Cursor = None


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    company: str
    cik: int
    period_end: date
    value: Decimal
    accession: str
    known_from: datetime
    flags: list[str]


class _Numbered(_Held, frozen=True, kw_only=True):
    n: int
    below: int
    not_larger: int


async def rank_companies(sources: ReadSources, query: RankingsQuery) -> Result:
    """
    This will give one page of a group's companies in the order of their values.

    Raises:
        QueryError: the metric is unknown, no such period can have a value, or the group is not said in full.
    """
    metric = find_metrics((query.metric,))[0]
    period, warnings = calendar_period(metric, query.period)
    group = group_asked(query.group_by, query.group)
    members = members_meant(query.members, as_of=query.as_of)
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    after = read_cursor(question, query.cursor, tuple[Decimal, int]) if query.cursor else None
    cell = Cell(metric=metric.key, period=period, unit=metric.unit, group_by=query.group_by)
    asked = msgspec.structs.replace(query, limit=query.limit + 1)
    async with sources.snapshot() as snapshot:
        found = None
        if query.as_of is None and members == "today":
            found = await _from_sets(sources, snapshot, cell, group=group, asked=asked, after=after)
        from_sets = found is not None
        if found is None:
            found = await _from_tables(snapshot, metric, cell, group=group, members=members, asked=asked, after=after)
        if not found and after is None:
            nobody = await nobody_has(snapshot, cell, group=group, members=members, as_of=query.as_of)
            warnings = (*warnings, nobody)
        freshness = snapshot.freshness
    page, next_cursor = found[: query.limit], None
    if len(found) > query.limit:
        next_cursor = write_cursor(question, (plain(page[-1].value), page[-1].cik))
    return Result(
        read_model=RANKING,
        meta=meta_of(
            freshness,
            source="redis" if from_sets else "postgres",
            as_of=query.as_of,
            next_cursor=next_cursor,
            warnings=warnings,
        ),
        rows=[_row(numbered, metric, period=period, group=group, members=members, query=query) for numbered in page],
    )


async def _from_sets(
    sources: ReadSources,
    snapshot: Snapshot,
    cell: Cell,
    *,
    group: str,
    asked: RankingsQuery,
    after: tuple[Decimal, int] | None,
) -> list[_Numbered] | None:
    ranked = await ranked_page(sources, snapshot, cell, group=group, order=asked.order, after=after, limit=asked.limit)
    if ranked is None:
        return None
    parameters = {**msgspec.structs.asdict(cell), "group": group, "ciks": [each.cik for each in ranked]}
    held = {each.cik: each for each in await snapshot.fetch(_Held, _SQL["today"]["of_companies"], parameters)}
    if [(each.cik, each.value) for each in ranked] != [
        (each.cik, held[each.cik].value if each.cik in held else None) for each in ranked
    ]:
        return None
    return [
        _Numbered(
            **msgspec.structs.asdict(held[each.cik]),
            n=each.place.group.n,
            below=each.place.below,
            not_larger=each.place.not_larger,
        )
        for each in ranked
    ]


async def _from_tables(
    snapshot: Snapshot,
    metric: Metric,
    cell: Cell,
    *,
    group: str,
    members: Members,
    asked: RankingsQuery,
    after: tuple[Decimal, int] | None,
) -> list[_Numbered]:
    value, cik = after or (None, None)
    return await snapshot.fetch(
        _Numbered,
        _SQL[members]["page"],
        {
            **msgspec.structs.asdict(cell),
            "group": group,
            "as_of": asked.as_of,
            "not_for": not_for(metric),
            "direction": 1 if asked.order == "asc" else -1,
            "after_value": value,
            "after_cik": cik,
            "limit": asked.limit,
        },
    )


def _row(
    numbered: _Numbered, metric: Metric, *, period: str, group: str, members: Members, query: RankingsQuery
) -> RankingRow:
    return RankingRow(
        rank=numbered.below + 1 if query.order == "asc" else numbered.n - numbered.not_larger + 1,
        n=numbered.n,
        percentile=plain(percentile(numbered.not_larger, n=numbered.n)),
        company=numbered.company,
        cik=numbered.cik,
        group_by=query.group_by,
        group=group,
        metric=metric.key,
        unit=metric.unit,
        period=period,
        period_end=numbered.period_end,
        value=plain(numbered.value),
        accession=numbered.accession,
        known_from=numbered.known_from,
        flags=numbered.flags,
        members=members,
    )
