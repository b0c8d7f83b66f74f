"""Every company's value for one metric and calendar period, a page at a time."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from queries.connections import ReadSources
from queries.read_models.aggregate_fragment import plain
from queries.read_models.frame import FRAME, FrameRow
from queries.service.arguments import AsOf, Cursor, Query, argument
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.calendar_period import calendar_period
from queries.service.cells import Cell
from queries.service.cursor import read_cursor, write_cursor
from queries.service.empty_groups import nobody_has
from queries.service.frame_query import COMPARED_PERIODS, Group, Grouping, Order, PageLimit, group_asked
from queries.service.members import MembersAsked, members_meant, not_for, statements_by_members
from queries.service.metrics import find_metrics
from queries.service.result import Result, meta_of

_SQL = statements_by_members("frames.sql")
_PAGE_IN: dict[Order, str] = {"asc": "page_ascending", "desc": "page_descending"}


class FrameQuery(Query, frozen=True, kw_only=True):
    """Which metric and period, and in which order."""

    metric: Annotated[
        str, argument("Key of a metric.", example="revenue", min_length=1, max_length=60, in_path=True, of="MetricKey")
    ]
    period: Annotated[
        AskedPeriod,
        argument(COMPARED_PERIODS, example="CY2023", pattern=PERIOD_PATTERN, read=read_period, in_path=True),
    ]
    group_by: Grouping = "all"
    group: Group = None
    sort: Annotated[
        Literal["value", "company", "cik"],
        argument("By what the rows are sorted; equal ones stand in the order of their CIK.", example="value"),
    ] = "cik"
    order: Annotated[Order, argument("asc, or desc: its exact reverse.", example="desc")] = "asc"
    members: MembersAsked = None
    as_of: AsOf = None
    limit: PageLimit = 100
    cursor: Cursor = None


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    company: str
    cik: int
    sector: str | None
    industry: str | None
    period_end: date
    value: Decimal
    accession: str
    known_from: datetime
    flags: list[str]
    sort_text: str
    sort_number: Decimal


async def show_frame(sources: ReadSources, query: FrameQuery) -> Result:
    """
    This will give one page of the companies that have a value.

    Raises:
        QueryError: the metric is unknown, no such period can have a value, or the group is not said in full.
    """
    metric = find_metrics((query.metric,))[0]
    period, warnings = calendar_period(metric, query.period)
    members = members_meant(query.members, as_of=query.as_of)
    group = group_asked(query.group_by, query.group)
    cell = Cell(metric=metric.key, period=period, unit=metric.unit, group_by=query.group_by)
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    after = read_cursor(question, query.cursor, tuple[str, Decimal, int]) if query.cursor else (None, None, None)
    parameters = {
        **msgspec.structs.asdict(cell),
        "as_of": query.as_of,
        "not_for": not_for(metric),
        "group": group,
        "sort": query.sort,
        "after_text": after[0],
        "after_number": after[1],
        "after_cik": after[2],
        "limit": query.limit + 1,
    }
    async with sources.snapshot() as snapshot:
        held = await snapshot.fetch(_Held, _SQL[members][_PAGE_IN[query.order]], parameters)
        if not held and query.cursor is None:
            nobody = await nobody_has(snapshot, cell, group=group, members=members, as_of=query.as_of)
            warnings = (*warnings, nobody)
        freshness = snapshot.freshness
    page, next_cursor = held[: query.limit], None
    if len(held) > query.limit:
        last = page[-1]
        next_cursor = write_cursor(question, (last.sort_text, last.sort_number, last.cik))
    return Result(
        read_model=FRAME,
        meta=meta_of(freshness, as_of=query.as_of, next_cursor=next_cursor, warnings=warnings),
        rows=[
            FrameRow(
                company=row.company,
                cik=row.cik,
                sector=row.sector,
                industry=row.industry,
                metric=metric.key,
                unit=metric.unit,
                period=period,
                period_end=row.period_end,
                value=plain(row.value),
                accession=row.accession,
                known_from=row.known_from,
                flags=row.flags,
                members=members,
            )
            for row in page
        ],
    )
