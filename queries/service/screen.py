"""Companies that fulfil conditions on their figures and on the groups they are in."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice

import msgspec

from queries.connections import ReadSources
from queries.metrics.groupings import EVERYBODY
from queries.read_models.aggregate_fragment import plain
from queries.read_models.answer_meta import ConditionOutcome, ScreenOutcome
from queries.read_models.members import Members
from queries.read_models.screen import SCREEN, ScreenedValueRow, ScreenRow
from queries.service.arguments import contradiction
from queries.service.asked_period import AskedPeriod
from queries.service.cells import Cell
from queries.service.columns import epoch_of_columns, read_columns, read_groups
from queries.service.cursor import read_cursor, write_cursor
from queries.service.empty_groups import groups_like
from queries.service.members import members_meant, not_for, statements_by_members
from queries.service.result import Result, meta_of
from queries.service.screen_conditions import Held, Place, against, between, having, in_order, values_of, within
from queries.service.screen_grammar import Between, Comparison, Condition, Figure, Membership
from queries.service.screen_query import Screen, ScreenQuery, in_words, metric_of, read_screen
from queries.tables import Snapshot

_SQL = statements_by_members("screen.sql")

_HINTS = 3
"""So many groups that are not there are told with those they may stand for."""


class _Year(msgspec.Struct, frozen=True):
    year: int | None


class _Count(msgspec.Struct, frozen=True):
    companies: int


class _Company(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    company: str
    name: str
    sector: str | None
    industry: str | None
    country: str | None
    size_class: str | None


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    value: Decimal
    figure: int = 0
    accession: str | None = None


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How many companies have what a condition asks for, and who passes; `keys` are the groups there are of a kind."""

    having: int
    passing: set[int]
    keys: Sequence[str] = ()


_Values = Mapping[tuple[Figure, int], _Value]


async def screen_companies(sources: ReadSources, query: ScreenQuery) -> Result:
    """
    This will give a page of the companies that fulfil every condition, and say how each condition fared alone.

    Raises:
        QueryError: a condition is not in the language, a metric has no values for such a period, or members of then
            are wanted at no instant.
    """
    screen = read_screen(query)
    members = members_meant(query.members, as_of=query.as_of)
    if members == "then" and query.as_of is None:
        raise contradiction(
            "members", reason="a company on a screen is classed at one instant", fix="add as_of, or drop members"
        )
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    year, after = _read_place(question, query.cursor) if query.cursor else (None, None)
    epoch = await epoch_of_columns(sources)
    async with sources.snapshot(plans_once=query.as_of is None) as snapshot:
        period, undated = query.period, screen.undated()
        warnings: list[str] = []
        if period is None and undated is not None:
            period, remark = await _latest_year(snapshot, undated, members=members, as_of=query.as_of, begun=year)
            warnings.append(remark)
        if period is not None:
            screen = screen.at(period)
        companies = (await snapshot.fetch(_Count, _SQL[members]["companies"], {}))[0].companies
        held = await _held(sources, snapshot, screen.compared(), epoch=epoch, members=members, as_of=query.as_of)
        outcomes: list[_Outcome] = []
        for condition in screen.conditions:
            outcomes.append(await _outcome(snapshot, condition, held, members=members, as_of=query.as_of))
            # Others are answered in between.
            await asyncio.sleep(0)
        matching = set.intersection(*(outcome.passing for outcome in outcomes))
        ordered = in_order(
            held[screen.sort] if screen.sort else (), matching, descending=query.order == "desc", after=after
        )
        found = list(islice(ordered, query.limit + 1))
        places = found[: query.limit]
        ciks = [place.cik for place in places]
        asked = {"ciks": ciks, "as_of": query.as_of}
        shown = {row.cik: row for row in await snapshot.fetch(_Company, _SQL[members]["page"], asked)}
        values = await _values(snapshot, screen, held, ciks=ciks, members=members, as_of=query.as_of)
        freshness = snapshot.freshness
    meta = meta_of(
        freshness,
        as_of=query.as_of,
        next_cursor=_write_place(question, period, places[-1]) if len(found) > query.limit else None,
        warnings=[*warnings, *_remarks(screen, outcomes)],
        screen=ScreenOutcome(
            period=period.label if period else None,
            companies=companies,
            matching=len(matching),
            conditions=[
                ConditionOutcome(
                    where=text,
                    meaning=in_words(condition),
                    passing=len(outcome.passing),
                    lacking=companies - outcome.having,
                )
                for text, condition, outcome in zip(query.where, screen.conditions, outcomes, strict=True)
            ],
        ),
    )
    return Result(
        read_model=SCREEN, meta=meta, rows=[_row(shown[cik], screen, values, members=members) for cik in ciks]
    )


def _write_place(question: ScreenQuery, period: AskedPeriod | None, place: Place) -> str:
    """The place behind a page with the year its figures are of: one that begins meanwhile is for another screen."""
    return write_cursor(question, (period.year if period else 0, *msgspec.structs.astuple(place)))


def _read_place(question: ScreenQuery, cursor: str) -> tuple[int, Place]:
    year, lacks_value, value, cik = read_cursor(question, cursor, tuple[int, bool, Decimal, int])
    return year, Place(lacks_value, value, cik)


async def _latest_year(
    snapshot: Snapshot, figure: Figure, *, members: Members, as_of: datetime | None, begun: int | None
) -> tuple[AskedPeriod, str]:
    """
    The calendar year meant where none is named, and what is to be said about it.

    `begun` is the year of the page before, which all pages are of.
    """
    metric = metric_of(figure)
    last_full = (as_of or snapshot.freshness.fresh_at).year - 1
    year = begun
    if year is None:
        asked = {
            "metric": metric.key,
            "unit": metric.unit,
            "ending": "Q4I" if metric.over == "instant" else "",
            "year": last_full,
            "as_of": as_of,
            "not_for": not_for(metric),
        }
        year = (await snapshot.fetch(_Year, _SQL[members]["latest_year"], asked))[0].year
    if year is None:
        return AskedPeriod(kind="calendar", year=last_full), f"no company has {metric.key} for a full calendar year"
    remark = f"figures are those of CY{year}, the latest full calendar year with values of {metric.key}"
    return AskedPeriod(kind="calendar", year=year), remark


async def _held(
    sources: ReadSources,
    snapshot: Snapshot,
    figures: Sequence[Figure],
    *,
    epoch: str | None,
    members: Members,
    as_of: datetime | None,
) -> dict[Figure, Held]:
    """What companies have for each figure."""
    cells = {
        figure: Cell(
            metric=figure.metric,
            period=figure.period or "",
            unit=metric_of(figure).unit,
            group_by=figure.standing.group_by if figure.standing else EVERYBODY,
        )
        for figure in figures
    }
    columns = await read_columns(sources, snapshot, cells.values(), epoch=epoch, members=members, as_of=as_of)
    return {
        figure: [
            measured
            for group in columns[cell].groups
            if (measured := group.measured(figure.standing.measure if figure.standing else None)) is not None
        ]
        for figure, cell in cells.items()
    }


async def _outcome(
    snapshot: Snapshot,
    condition: Condition,
    held: Mapping[Figure, Held],
    *,
    members: Members,
    as_of: datetime | None,
) -> _Outcome:
    match condition:
        case Membership(group_by=group_by, keys=keys, inside=inside):
            groups = await read_groups(snapshot, group_by, members=members, as_of=as_of)
            return _Outcome(
                having=sum(map(len, groups.values())),
                passing={cik for key, ciks in groups.items() if (key.lower() in keys) == inside for cik in ciks},
                keys=list(groups),
            )
        case Between(figure=figure, low=low, high=high):
            return _Outcome(having=having(held[figure]), passing=between(held[figure], low, high))
        case Comparison(left=left, sign=sign, right=right):
            if isinstance(right, Decimal):
                return _Outcome(having=having(held[left]), passing=within(held[left], sign, right))
            both, passing = against(held[left], sign, held[right])
            return _Outcome(having=both, passing=passing)


async def _values(
    snapshot: Snapshot,
    screen: Screen,
    held: Mapping[Figure, Held],
    *,
    ciks: Sequence[int],
    members: Members,
    as_of: datetime | None,
) -> _Values:
    """What the companies of a page have for each figure."""
    values: dict[tuple[Figure, int], _Value] = {}
    plain_ones = [figure for figure in screen.figures() if figure.standing is None]
    asked = {
        "figures": list(range(len(plain_ones))),
        "metrics": [figure.metric for figure in plain_ones],
        "periods": [figure.period for figure in plain_ones],
        "units": [metric_of(figure).unit for figure in plain_ones],
        "not_for": [not_for(metric_of(figure)) for figure in plain_ones],
        "as_of": as_of,
        "ciks": list(ciks),
    }
    for value in await snapshot.fetch(_Value, _SQL[members]["shown"], asked):
        values[plain_ones[value.figure], value.cik] = value
    on_page = frozenset(ciks)
    for figure in screen.figures():
        if figure.standing is not None:
            standings = values_of(held[figure], on_page)
            values |= {(figure, cik): _Value(cik=cik, value=standing) for cik, standing in standings.items()}
    return values


def _row(company: _Company, screen: Screen, values: _Values, *, members: Members) -> ScreenRow:
    return ScreenRow(
        company=company.company,
        cik=company.cik,
        name=company.name,
        sector=company.sector,
        industry=company.industry,
        country=company.country,
        size_class=company.size_class,
        values=[_value(figure, values.get((figure, company.cik))) for figure in screen.figures()],
        members=members,
    )


def _value(figure: Figure, held: _Value | None) -> ScreenedValueRow:
    return ScreenedValueRow(
        figure=msgspec.structs.replace(figure, period=None).text,
        period=figure.period or "",
        unit=figure.standing.measure if figure.standing else metric_of(figure).unit,
        value=plain(held.value) if held else None,
        accession=held.accession if held else None,
    )


def _remarks(screen: Screen, outcomes: Sequence[_Outcome]) -> Iterator[str]:
    memberships = [
        (condition, outcome)
        for condition, outcome in zip(screen.conditions, outcomes, strict=True)
        if isinstance(condition, Membership)
    ]
    unknown = [
        (condition.group_by, key, there)
        for condition, outcome in memberships
        for there in [{key.lower(): key for key in outcome.keys}]
        for key in condition.keys
        if key not in there
    ]
    for place, (group_by, key, there) in enumerate(unknown):
        # Words are compared letter by letter, while nobody else is answered.
        hint = groups_like(key, there) if place < _HINTS else ""
        yield f"no company is of {group_by} {key!r}{hint}"
