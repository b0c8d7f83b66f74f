"""What is asked of a screen, and how its conditions are said back."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import msgspec

from queries.errors import FieldError, invalid_parameter
from queries.metrics.catalogue import Metric, load_catalogue
from queries.service.arguments import AsOf, Cursor, Query, argument
from queries.service.asked_period import LATEST_OR_PERIOD_PATTERN, AskedPeriod, read_period_or_latest
from queries.service.calendar_period import calendar_period
from queries.service.frame_query import Order
from queries.service.members import MembersAsked
from queries.service.screen_grammar import (
    MAX_CONDITION_LENGTH,
    Between,
    Comparison,
    Condition,
    ConditionInvalid,
    Figure,
    Membership,
    Sign,
    read_condition,
    read_figure,
)

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CONDITION_LENGTH)]


class ScreenQuery(Query, frozen=True, kw_only=True):
    """Which conditions, and what to show of the companies that fulfil them all."""

    where: Annotated[
        tuple[_Text, ...],
        argument(
            "A condition, such as roe.rank(industry) <= 10; give the parameter up to 8 times, all have to hold.",
            example=["revenue > 1e9", "net_margin.percentile(sector) >= 90"],
            min_length=1,
            max_length=8,
            repeated=True,
        ),
    ]
    period: Annotated[
        AskedPeriod | None,
        argument(
            "Calendar period of figures that name none: CY2024, CY2024Q3, CY2024Q3TTM; for what stands at an instant "
            "its end. latest (default): the latest full calendar year with values.",
            example="CY2023",
            pattern=LATEST_OR_PERIOD_PATTERN,
            read=read_period_or_latest,
        ),
    ] = None
    members: MembersAsked = None
    as_of: AsOf = None
    sort: Annotated[
        str | None,
        argument("The figure to sort by; without it the first of where.", example="revenue", max_length=120),
    ] = None
    order: Annotated[Order, argument("desc, the largest first, or asc: its exact reverse.", example="desc")] = "desc"
    limit: Annotated[int, argument("Companies a page.", example=20, ge=1, le=1000)] = 50
    columns: Annotated[
        tuple[_Text, ...] | None,
        argument(
            "Figures to show beside those of where and sort.",
            example=["net_income", "roe.rank(industry)"],
            min_length=1,
            max_length=12,
        ),
    ] = None
    cursor: Cursor = None


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """A screen as it was understood."""

    conditions: tuple[Condition, ...]
    sort: Figure | None
    columns: tuple[Figure, ...]

    def figures(self) -> tuple[Figure, ...]:
        """Every figure that is named, each once: those of the conditions, then sort, then columns."""
        named = [*_figures_of(self.conditions), *([self.sort] if self.sort else []), *self.columns]
        return tuple(dict.fromkeys(named))

    def compared(self) -> tuple[Figure, ...]:
        """Those of them that are held against others: in a condition, for the order, or in a standing."""
        held = {*_figures_of(self.conditions), self.sort}
        return tuple(figure for figure in self.figures() if figure in held or figure.standing)

    def undated(self) -> Figure | None:
        """The first figure that names no period."""
        return next((figure for figure in self.figures() if figure.period is None), None)

    def at(self, asked: AskedPeriod) -> "Screen":
        """
        The same screen with a period for the figures that name none.

        Raises:
            QueryError: a metric has no values for such a period.
        """
        return Screen(
            conditions=tuple(_dated(condition, asked) for condition in self.conditions),
            sort=_dated_figure(self.sort, asked) if self.sort else None,
            columns=tuple(_dated_figure(figure, asked) for figure in self.columns),
        )


def read_screen(query: ScreenQuery) -> Screen:
    """
    This will read the conditions and figures of a question; without `sort` the first figure of the conditions is it.

    Raises:
        QueryError: some are not in the language; each is named, with the character where it goes wrong.
    """
    problems: list[FieldError] = []

    def read[T](pointer: str, text: str, reading: Callable[[str], T]) -> Iterator[T]:
        try:
            yield reading(text)
        except ConditionInvalid as error:
            problems.append(FieldError(pointer=pointer, reason=str(error), fix=error.fix))

    conditions = [
        condition
        for place, text in enumerate(query.where)
        for condition in read(f"where[{place}]", text, read_condition)
    ]
    sort = next(read("sort", query.sort, read_figure), None) if query.sort is not None else None
    columns = [
        figure
        for place, text in enumerate(query.columns or ())
        for figure in read(f"columns[{place}]", text, read_figure)
    ]
    if problems:
        raise invalid_parameter(*problems)
    return Screen(
        conditions=tuple(conditions),
        sort=sort or next(_figures_of(conditions), None),
        columns=tuple(columns),
    )


def metric_of(figure: Figure) -> Metric:
    """The catalogue's entry of a figure."""
    return load_catalogue().by_key()[figure.metric]


_IN_WORDS: dict[Sign, str] = {
    "<": "less than",
    "<=": "at most",
    ">": "more than",
    ">=": "at least",
    "=": "exactly",
    "!=": "other than",
}


def in_words(condition: Condition) -> str:
    """This will say a condition as it was understood."""
    match condition:
        case Comparison(left=left, sign=sign, right=Figure() as right):
            return f"{_named(left)} is {_IN_WORDS[sign]} {_named(right)}"
        case Comparison(left=left, sign=sign, right=number):
            return f"{_named(left)} is {_IN_WORDS[sign]} {number:f}{_unit_behind(left)}"
        case Between(figure=figure, low=low, high=high):
            return f"{_named(figure)} is from {low:f} to {high:f}{_unit_behind(figure)}"
        case Membership(group_by=group_by, keys=(key,), inside=inside):
            return f"{group_by} is {'' if inside else 'not '}{key}"
        case Membership(group_by=group_by, keys=keys, inside=inside):
            return f"{group_by} is {'one' if inside else 'none'} of {', '.join(keys)}"


def _named(figure: Figure) -> str:
    metric = f"{figure.metric} of {figure.period}"
    if figure.standing is None:
        return metric
    group = "among all companies" if figure.standing.group_by == "all" else f"within its {figure.standing.group_by}"
    return f"the {figure.standing.measure} of {metric} {group}"


def _unit_behind(figure: Figure) -> str:
    unit = metric_of(figure).unit
    return "" if figure.standing or unit == "pure" else f" {unit}"


def _figures_of(conditions: Iterable[Condition]) -> Iterator[Figure]:
    for condition in conditions:
        match condition:
            case Comparison(left=left, right=right):
                yield left
                if isinstance(right, Figure):
                    yield right
            case Between(figure=figure):
                yield figure


def _dated(condition: Condition, asked: AskedPeriod) -> Condition:
    match condition:
        case Comparison(left=left, sign=sign, right=right):
            other = _dated_figure(right, asked) if isinstance(right, Figure) else right
            return Comparison(left=_dated_figure(left, asked), sign=sign, right=other)
        case Between(figure=figure, low=low, high=high):
            return Between(figure=_dated_figure(figure, asked), low=low, high=high)
    return condition


def _dated_figure(figure: Figure, asked: AskedPeriod) -> Figure:
    if figure.period is not None:
        return figure
    metric = metric_of(figure)
    if metric.over == "instant" and asked.trailing:
        # In one screen flows of twelve months stand beside what there is at their end.
        asked = msgspec.structs.replace(asked, trailing=False, instant=True)
    return msgspec.structs.replace(figure, period=calendar_period(metric, asked)[0])
