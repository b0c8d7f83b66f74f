"""
The little language of conditions on companies, from text to frozen structs.

`revenue > 1e9` · `revenue_growth_yoy.percentile(sector) > 90` · `free_cash_flow > net_income` ·
`revenue@CY2022 between 1e9 and 5e9` · `sector = manufacturing` · `industry in 2834,2836`. The whole of it stands in
docs/screening.md. Nothing here knows a database: what is wrong with a condition is found, with its place, before any is
asked.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Literal, get_args

import msgspec

from queries.errors import QueryError
from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.groupings import EVERYBODY, GROUPINGS, GroupBy
from queries.service.asked_period import read_period
from queries.service.calendar_period import calendar_period

Sign = Literal["<", "<=", ">", ">=", "=", "!="]
Measure = Literal["percentile", "rank", "zscore"]

MAX_CONDITION_LENGTH = 300
_MAX_KEYS = 50
_MAX_EXPONENT = 40
_SIGNS: tuple[Sign, ...] = get_args(Sign)
_MEASURES: tuple[Measure, ...] = get_args(Measure)
_GROUPS = tuple(grouping for grouping in GROUPINGS if grouping != EVERYBODY)
_TOKEN = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))"
    r"|(?P<word>[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)"
    r'|(?P<quoted>"[^"\x00]*")'
    r"|(?P<symbol><=|>=|!=|==|<>|[<>=.@(),])"
)
_BLANK = re.compile(r"[ \t\r\n]*")
_OTHER_SPELLINGS: Mapping[str, Sign] = {"==": "=", "<>": "!="}
_FORM_OF_KEYS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "industry": (re.compile(r"[0-9]{4}"), "an industry is a four-digit SIC code such as 2834"),
    "major_group": (re.compile(r"[0-9]{2}"), "a major group is the first two digits of SIC codes, such as 28"),
}
_EXAMPLE = "revenue > 1e9"


class ConditionInvalid(ValueError):
    """A condition is not in the language: `at` is the character (from 1) where it goes wrong, `fix` what to write."""

    def __init__(self, at: int, reason: str, fix: str) -> None:
        super().__init__(f"at character {at}: {reason}")
        self.at = at
        self.reason = reason
        self.fix = fix


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value stands among those of a group: all companies, or those of the same sector, industry and so on."""

    measure: Measure
    group_by: GroupBy


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What a company is measured by: a metric, perhaps in a calendar period of its own, perhaps its standing."""

    metric: str
    period: str | None = None
    standing: Standing | None = None

    @property
    def text(self) -> str:
        """The figure as it is written in a condition."""
        standing = f".{self.standing.measure}({self.standing.group_by})" if self.standing else ""
        return f"{self.metric}{f'@{self.period}' if self.period else ''}{standing}"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A figure held against a number or another figure."""

    left: Figure
    sign: Sign
    right: Decimal | Figure


class Between(msgspec.Struct, frozen=True, kw_only=True):
    """A figure within two bounds, both included."""

    figure: Figure
    low: Decimal
    high: Decimal


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """Companies of some groups, or, where not `inside`, of none of them. Keys are in lower case."""

    group_by: GroupBy
    keys: tuple[str, ...]
    inside: bool


Condition = Comparison | Between | Membership


class _Token(msgspec.Struct, frozen=True):
    kind: Literal["number", "word", "quoted", "symbol", "end"]
    text: str
    at: int

    def says(self, *words: str) -> bool:
        return self.kind in ("word", "symbol") and self.text.lower() in words


def read_condition(text: str) -> Condition:
    """
    This will read one condition.

    Raises:
        ConditionInvalid: it is not in the language, or compares what cannot be compared.
    """
    return _Reader(text).condition()


def read_figure(text: str) -> Figure:
    """
    This will read a figure that stands alone, as in sort and columns.

    Raises:
        ConditionInvalid: it is none.
    """
    return _Reader(text).only_figure()


@cache
def _metrics() -> dict[str, Metric]:
    return {metric.key: metric for metric in load_catalogue().published()}


class _Reader:
    """Reads tokens from left to right; nothing in the language nests."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CONDITION_LENGTH:
            raise ConditionInvalid(
                MAX_CONDITION_LENGTH + 1,
                f"a condition has at most {MAX_CONDITION_LENGTH} characters",
                "say it shorter, or in several conditions",
            )
        self._tokens = _tokens(text)
        self._next = 0

    def condition(self) -> Condition:
        first = self._peek()
        if first.says(*GROUPINGS):
            condition: Condition = self._membership()
        else:
            condition = self._measured()
        self._end()
        return condition

    def only_figure(self) -> Figure:
        figure = self._figure()
        self._end()
        return figure

    def _measured(self) -> Comparison | Between:
        figure = self._figure()
        token = self._take()
        if token.says("between"):
            return self._between(figure)
        sign = self._sign(token, figure)
        at = self._peek().at
        if self._peek().kind != "word" or self._peek().text[0].isdigit():
            return Comparison(left=figure, sign=sign, right=self._number(figure))
        if self._peek().says(*GROUPINGS):
            raise ConditionInvalid(
                at, f"{self._peek().text} is a grouping, not a value", "put a group into a condition of its own"
            )
        other = self._figure()
        self._comparable(figure, other, at)
        return Comparison(left=figure, sign=sign, right=other)

    def _between(self, figure: Figure) -> Between:
        low = self._number(figure)
        joint = self._take()
        if not joint.says("and"):
            raise _refused(joint, "between has two bounds", f"write {figure.text} between {low} and {low + 1}")
        at = self._peek().at
        high = self._number(figure)
        if high < low:
            raise ConditionInvalid(at, f"{high} is less than {low}", f"write {figure.text} between {high} and {low}")
        return Between(figure=figure, low=low, high=high)

    def _sign(self, token: _Token, figure: Figure) -> Sign:
        if token.text in _OTHER_SPELLINGS:
            sign = _OTHER_SPELLINGS[token.text]
            raise _refused(token, f"{token.text} is not in the language", f"write {sign}")
        for sign in _SIGNS:
            if token.text == sign:
                return sign
        if token.says("in", "not"):
            raise _refused(token, "in is for groups such as sector or industry", f"write {figure.text} between 0 and 1")
        raise _refused(
            token, "here a comparison belongs", f"write {', '.join(_SIGNS)} or between, as in {figure.text} > 0"
        )

    def _figure(self) -> Figure:
        token = self._take()
        if token.kind != "word":
            raise _refused(token, "here a metric belongs", f"write a metric of /v1/metrics, as in {_EXAMPLE}")
        key = token.text.lower()
        metric = _metrics().get(key)
        if metric is None:
            near = difflib.get_close_matches(key[:60], [*_metrics(), *_GROUPS], n=3, cutoff=0.5)
            raise _refused(
                token,
                f"there is no metric {token.text[:60]!r}",
                f"write {' or '.join(near)}" if near else "write a metric of /v1/metrics",
            )
        period = self._period(metric) if self._peek().says("@") else None
        standing = self._standing(metric) if self._peek().says(".") else None
        return Figure(metric=metric.key, period=period, standing=standing)

    def _period(self, metric: Metric) -> str:
        self._take()
        token = self._take()
        try:
            asked = read_period(token.text)
        except ValueError:
            raise _refused(token, "behind @ a calendar period belongs", f"write {metric.key}@CY2022") from None
        try:
            return calendar_period(metric, asked)[0]
        except QueryError as error:
            raise _refused(token, error.errors[0].reason, error.errors[0].fix) from None

    def _standing(self, metric: Metric) -> Standing:
        self._take()
        token = self._take()
        measure = next((measure for measure in _MEASURES if token.says(measure)), None)
        if measure is None:
            raise _refused(token, "behind the dot a standing belongs", f"write {metric.key}.percentile(sector)")
        opened = self._take()
        if opened.text != "(":
            raise _refused(opened, f"{measure} names its group in parentheses", f"write {metric.key}.{measure}(sector)")
        named = self._take()
        group_by = next((grouping for grouping in GROUPINGS if named.says(grouping)), None)
        if group_by is None:
            raise _refused(named, "in parentheses a grouping belongs", f"write {' or '.join(GROUPINGS)}")
        closed = self._take()
        if closed.text != ")":
            raise _refused(closed, "the parenthesis is not closed", f"write {metric.key}.{measure}({group_by})")
        return Standing(measure=measure, group_by=group_by)

    def _number(self, figure: Figure) -> Decimal:
        token = self._take()
        if token.kind == "word":
            raise _refused(
                token, f"{token.text[:60]!r} is no number", "write digits alone, such as 1e9, 2500000 or 0.2"
            )
        if token.kind != "number":
            raise _refused(token, "here a number belongs", f"write {figure.text} > {_example_number(figure)}")
        digits, _, exponent = token.text.lower().partition("e")
        if abs(int(exponent or 0)) > _MAX_EXPONENT or len(digits) > _MAX_EXPONENT:
            raise _refused(
                token, f"the number has more than {_MAX_EXPONENT} digits", f"write {_example_number(figure)}"
            )
        number = Decimal(token.text)
        measure = figure.standing.measure if figure.standing else None
        if measure == "percentile" and not 0 <= number <= 100:
            raise _refused(token, "a percentile is from 0 to 100", f"write {figure.text} > 90")
        if measure == "rank" and (number < 1 or number != int(number)):
            raise _refused(token, "ranks are whole numbers from 1, the largest value", f"write {figure.text} <= 10")
        return number

    def _comparable(self, left: Figure, right: Figure, at: int) -> None:
        if left.standing or right.standing:
            raise ConditionInvalid(at, "a standing is compared with a number", f"write {left.text} > 1")
        units = _metrics()[left.metric].unit, _metrics()[right.metric].unit
        if units[0] != units[1]:
            raise ConditionInvalid(
                at,
                f"{left.metric} is in {units[0]} and {right.metric} in {units[1]}",
                "compare metrics of one unit, or with a number",
            )

    def _membership(self) -> Membership:
        named = self._take()
        group_by = next(grouping for grouping in GROUPINGS if named.says(grouping))
        if group_by == EVERYBODY:
            raise _refused(
                named, "all companies are meant anyway", f"leave it out, or name one of {', '.join(_GROUPS)}"
            )
        token = self._take()
        inside = not token.says("!=", "not")
        if token.says("not"):
            token = self._take()
            if not token.says("in"):
                raise _refused(token, "behind not belongs in", f"write {group_by} not in ...")
        if token.says("in"):
            keys = [self._key(group_by)]
            while self._peek().says(","):
                self._take()
                keys.append(self._key(group_by))
            if len(keys) > _MAX_KEYS:
                raise _refused(
                    named, f"more than {_MAX_KEYS} groups are named", "name fewer, or a grouping that is coarser"
                )
            return Membership(group_by=group_by, keys=tuple(dict.fromkeys(keys)), inside=inside)
        if token.text in _OTHER_SPELLINGS:
            raise _refused(token, f"{token.text} is not in the language", f"write {_OTHER_SPELLINGS[token.text]}")
        if not token.says("=", "!="):
            raise _refused(token, f"{group_by} has no size", f"write =, !=, in or not in, as in {group_by} = ...")
        return Membership(group_by=group_by, keys=(self._key(group_by),), inside=inside)

    def _key(self, group_by: GroupBy) -> str:
        token = self._take()
        if token.kind not in ("word", "number", "quoted"):
            raise _refused(token, f"here the name of a {group_by} belongs", 'write a word, or "words in quotes"')
        key = token.text.strip('"').strip().lower()
        form, told = _FORM_OF_KEYS.get(group_by, (None, ""))
        if form is not None and not form.fullmatch(key):
            raise _refused(token, told, f"write {told.rpartition(' ')[2]}")
        return key

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token

    def _end(self) -> None:
        token = self._peek()
        if token.says("and", "or"):
            raise _refused(
                token, "a condition is one comparison", "put the next one into another where=; all have to hold"
            )
        if token.says(",") and self._tokens[self._next - 1].kind == "number":
            raise _refused(token, "a number has no separators", "write 2500000 or 2.5e6")
        if token.kind != "end":
            raise _refused(token, f"{token.text[:60]!r} is too much", "end the condition before it")


def _tokens(text: str) -> Sequence[_Token]:
    tokens: list[_Token] = []
    place = _BLANK.match(text).end()  # type: ignore[union-attr]  # matches nothing as well
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ConditionInvalid(
                place + 1, f"{text[place]!r} is not in the language", _CURES.get(text[place], f"write as in {_EXAMPLE}")
            )
        kind: Literal["number", "word", "quoted", "symbol"] = found.lastgroup  # type: ignore[assignment]  # its names
        tokens.append(_Token(kind, found[0], place + 1))
        place = _BLANK.match(text, found.end()).end()  # type: ignore[union-attr]  # matches nothing as well
    tokens.append(_Token("end", "", len(text) + 1))
    return tokens


_CURES = {
    "%": "write a share of one: 0.2 for 20 per cent",
    "'": 'write "double quotes"',
    "$": "write the number alone: amounts are in the metric's unit",
    "&": "put the next condition into another where=; all have to hold",
    "|": "conditions cannot be joined by or; ask twice, or name several groups with in",
}


def _example_number(figure: Figure) -> str:
    return {"percentile": "90", "rank": "10", "zscore": "2"}[figure.standing.measure] if figure.standing else "1e9"


def _refused(token: _Token, reason: str, fix: str) -> ConditionInvalid:
    found = "" if token.kind != "end" else ", and the condition ends"
    return ConditionInvalid(token.at, f"{reason}{found}", fix)
