"""Companies that fulfil conditions on their figures and on the groups they are in."""

import difflib
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.read_models.aggregate_fragment import plain
from queries.read_models.answer_meta import ConditionOutcome, ScreenOutcome
from queries.read_models.screen import SCREEN, ScreenedValueRow, ScreenRow
from queries.service.asked_period import AskedPeriod
from queries.service.cursor import read_cursor, write_cursor
from queries.service.result import Result, meta_of
from queries.service.screen_grammar import Between, Comparison, Condition, Figure, Membership
from queries.service.screen_query import Screen, ScreenQuery, in_words, metric_of, read_screen, standing_of
from queries.service.statements import load_statements

_SQL = load_statements("screen.sql")


class _Year(msgspec.Struct, frozen=True):
    year: int | None


class _Count(msgspec.Struct, frozen=True):
    companies: int


class _Passing(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who passes one condition, and how many have what it asks for.

    `standings` lies beside `passing` where a standing is asked for, `keys` are the groups there are where a group is.
    """

    having: int
    passing: list[int]
    standings: list[str] = []
    keys: list[str] = []


class _Company(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    company: str
    name: str
    sector: str | None
    industry: str | None
    country: str | None
    size_class: str | None
    absent: int
    place: Decimal


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    cik: int
    value: Decimal
    figure: int = 0
    accession: str | None = None


_Values = Mapping[tuple[Figure, int], _Value]


async def screen_companies(sources: ReadSources, query: ScreenQuery) -> Result:
    """
    This will give a page of the companies that fulfil every condition, and say how each condition fared alone.

    Raises:
        QueryError: a condition is not in the language, or a metric has no values for such a period.
    """
    screen = read_screen(query)
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    after = read_cursor(question, query.cursor, tuple[int, Decimal, int]) if query.cursor else (None, None, None)
    async with sources.snapshot(plans_once=query.as_of is None) as snapshot:
        period, undated = query.period, screen.undated()
        warnings: list[str] = []
        if period is None and undated is not None:
            period, remark = await _latest_year(snapshot, undated, as_of=query.as_of)
            warnings.append(remark)
        if period is not None:
            screen = screen.at(period)
        companies = (await snapshot.fetch(_Count, _SQL["companies"], {}))[0].companies
        statements = [_statement(condition, as_of=query.as_of) for condition in screen.conditions]
        outcomes = [outcome for (outcome,) in await snapshot.fetch_each(_Passing, statements)]
        matching = set(outcomes[0].passing).intersection(*(outcome.passing for outcome in outcomes[1:]))
        found = await snapshot.fetch(
            _Company,
            _SQL["page"],
            {
                **_measured(screen.sort, as_of=query.as_of),
                "ciks": _array(matching),
                "direction": -1 if query.order == "desc" else 1,
                "after_absent": after[0],
                "after_place": after[1],
                "after_cik": after[2],
                "limit": query.limit + 1,
            },
        )
        page = found[: query.limit]
        values = await _values(snapshot, screen, outcomes, ciks={row.cik for row in page}, as_of=query.as_of)
        freshness = snapshot.freshness
    last = page[-1] if len(found) > query.limit else None
    meta = meta_of(
        freshness,
        as_of=query.as_of,
        next_cursor=write_cursor(question, (last.absent, last.place, last.cik)) if last else None,
        warnings=[*warnings, *_remarks(screen, outcomes, as_of=query.as_of)],
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
    return Result(read_model=SCREEN, meta=meta, rows=[_row(company, screen, values) for company in page])


async def _latest_year(snapshot: Snapshot, figure: Figure, *, as_of: datetime | None) -> tuple[AskedPeriod, str]:
    """The calendar year meant where none is named, and what is to be said about it."""
    metric = metric_of(figure)
    last_full = (as_of or snapshot.freshness.fresh_at).year - 1
    found = await snapshot.fetch(
        _Year,
        _SQL["latest_year"],
        {
            "metric": metric.key,
            "unit": metric.unit,
            "ending": "Q4I" if metric.over == "instant" else "",
            "year": last_full,
            "as_of": as_of,
        },
    )
    year = found[0].year
    if year is None:
        return AskedPeriod(kind="calendar", year=last_full), f"no company has {metric.key} for a full calendar year"
    remark = f"figures are those of CY{year}, the latest full calendar year with values of {metric.key}"
    return AskedPeriod(kind="calendar", year=year), remark


def _statement(condition: Condition, *, as_of: datetime | None) -> tuple[bytes, dict[str, Any]]:
    """The statement that says who passes a condition, with its parameters."""
    match condition:
        case Membership(group_by=group_by, keys=keys, inside=inside):
            return _SQL["passing_group"], {"group_by": group_by, "keys": list(keys), "inside": inside}
        case Between(figure=figure, low=low, high=high):
            bounds = {"sign": "between", "low": low, "high": high}
            return _SQL["passing_number"], {**_measured(figure, as_of=as_of), **bounds}
        case Comparison(left=left, sign=sign, right=Figure() as right):
            other = {"sign": sign, "other_metric": right.metric, "other_period": right.period}
            return _SQL["passing_figure"], {**_measured(left, as_of=as_of), **other}
        case Comparison(left=left, sign=sign, right=number):
            bounds = {"sign": sign, "low": number, "high": None}
            return _SQL["passing_number"], {**_measured(left, as_of=as_of), **bounds}


def _measured(figure: Figure | None, *, as_of: datetime | None) -> dict[str, Any]:
    """The arguments of the SQL function `measured`."""
    standing = figure.standing if figure else None
    return {
        "metric": figure.metric if figure else None,
        "period": figure.period if figure else None,
        "unit": metric_of(figure).unit if figure else None,
        "as_of": as_of,
        "measure": standing.measure if standing else None,
        "group_by": standing.group_by if standing else None,
    }


async def _values(
    snapshot: Snapshot,
    screen: Screen,
    outcomes: Sequence[_Passing],
    *,
    ciks: Set[int],
    as_of: datetime | None,
) -> _Values:
    """What the companies of a page have for each figure. Standings that a condition asked for are known from there."""
    if not ciks:
        return {}
    values: dict[tuple[Figure, int], _Value] = {}
    known: set[Figure] = set()
    for condition, outcome in zip(screen.conditions, outcomes, strict=True):
        figure = standing_of(condition)
        if figure is not None:
            known.add(figure)
            standings = zip(outcome.passing, outcome.standings, strict=True)
            on_page = ((cik, standing) for cik, standing in standings if cik in ciks)
            values |= {(figure, cik): _Value(cik=cik, value=Decimal(standing)) for cik, standing in on_page}
    plain_ones = [figure for figure in screen.figures() if figure.standing is None]
    asked = {
        "figures": list(range(len(plain_ones))),
        "metrics": [figure.metric for figure in plain_ones],
        "periods": [figure.period for figure in plain_ones],
        "units": [metric_of(figure).unit for figure in plain_ones],
        "as_of": as_of,
        "ciks": list(ciks),
    }
    for value in await snapshot.fetch(_Value, _SQL["shown"], asked):
        values[plain_ones[value.figure], value.cik] = value
    for figure in screen.figures():
        if figure.standing is not None and figure not in known:
            parameters = {**_measured(figure, as_of=as_of), "ciks": list(ciks)}
            for value in await snapshot.fetch(_Value, _SQL["shown_standing"], parameters):
                values[figure, value.cik] = value
    return values


def _array(ciks: Set[int]) -> str:
    """An array as PostgreSQL writes it: of thousands of numbers several times sooner made than from a list."""
    return f"{{{','.join(map(str, ciks))}}}"


def _row(company: _Company, screen: Screen, values: _Values) -> ScreenRow:
    return ScreenRow(
        company=company.company,
        cik=company.cik,
        name=company.name,
        sector=company.sector,
        industry=company.industry,
        country=company.country,
        size_class=company.size_class,
        values=[_value(figure, values.get((figure, company.cik))) for figure in screen.figures()],
    )


def _value(figure: Figure, held: _Value | None) -> ScreenedValueRow:
    return ScreenedValueRow(
        figure=msgspec.structs.replace(figure, period=None).text,
        period=figure.period or "",
        unit=figure.standing.measure if figure.standing else metric_of(figure).unit,
        value=plain(held.value) if held else None,
        accession=held.accession if held else None,
    )


def _remarks(screen: Screen, outcomes: Sequence[_Passing], *, as_of: datetime | None) -> Iterator[str]:
    memberships = [
        (condition, outcome)
        for condition, outcome in zip(screen.conditions, outcomes, strict=True)
        if isinstance(condition, Membership)
    ]
    for condition, outcome in memberships:
        there = {key.lower(): key for key in outcome.keys}
        for key in condition.keys:
            if key not in there:
                near = difflib.get_close_matches(key[:60], there, n=3, cutoff=0.4)
                hint = f"; there is {', '.join(there[each] for each in near)}" if near else ""
                yield f"no company is of {condition.group_by} {key!r}{hint}"
    if as_of is not None and (memberships or any(figure.standing for figure in screen.figures())):
        yield "groups are those companies are in today"
