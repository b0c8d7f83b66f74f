"""Rows of group aggregates as they are sent: the same bytes whether they come from Redis or from the table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, localcontext

import msgspec

from queries.metrics.catalogue import Metric, formula_of, is_changed_by_splits, load_catalogue
from queries.read_models.aggregate import AggregateRow, MemberRow

_WORKING_DIGITS = 60
_DECIMALS_KEPT = 12

SUMMED_UNITS = frozenset({"USD", "shares"})
"""The units of metrics whose sum over companies says something."""

MEMBERS_SHOWN = 5
"""How many members are shown at either end of a group."""

_HELD_READY = re.compile(r"CY\d{4}(Q4I)?")

Parts = tuple[Decimal | None, Decimal | None]
"""What the numerators of a group's members add up to, and what their denominators do."""

_encoder = msgspec.json.Encoder(decimal_format="number")


class StoredAggregate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    A row of `group_aggregate`, or one like it of a group of which no company has a value: its figures are None.
    """

    metric: str
    period: str
    group_by: str
    group_key: str
    unit: str
    n: int
    sum: Decimal | None
    sum_of_squares: Decimal | None
    mean: Decimal | None
    min: Decimal | None
    p10: Decimal | None
    p25: Decimal | None
    median: Decimal | None
    p75: Decimal | None
    p90: Decimal | None
    max: Decimal | None
    numerator: Decimal | None
    denominator: Decimal | None
    bottom_ciks: list[int]
    bottom_values: list[Decimal]
    top_ciks: list[int]
    top_values: list[Decimal]

    def members(self) -> set[int]:
        """The companies shown at either end."""
        return {*self.bottom_ciks, *self.top_ciks}


STORED_COLUMNS: tuple[str, ...] = StoredAggregate.__struct_fields__


def is_held_ready(period: str) -> bool:
    """Whether Redis holds the aggregates of a calendar period: years, and the instants at their ends."""
    return _HELD_READY.fullmatch(period) is not None


def public_row(stored: StoredAggregate, names: Mapping[int, str]) -> AggregateRow:
    """The row as readers get it; `names` tells what the members shown are called."""
    metric = load_catalogue().by_key()[stored.metric]
    return AggregateRow(
        metric=stored.metric,
        unit=stored.unit,
        group_by=stored.group_by,
        group=stored.group_key,
        period=stored.period,
        n=stored.n,
        sum=_shown(stored.sum) if stored.unit in SUMMED_UNITS else None,
        mean=_shown(stored.mean),
        min=_shown(stored.min),
        p10=_shown(stored.p10),
        p25=_shown(stored.p25),
        median=_shown(stored.median),
        p75=_shown(stored.p75),
        p90=_shown(stored.p90),
        max=_shown(stored.max),
        weighted=weighted(metric, stored.numerator, stored.denominator),
        top=_members(stored.top_ciks, stored.top_values, names),
        bottom=_members(stored.bottom_ciks, stored.bottom_values, names),
    )


def weighted(metric: Metric, numerator: Decimal | None, denominator: Decimal | None) -> Decimal | None:
    """The ratio of the sums, as the metric's formula has it; None where it is no quotient or the divisor is nothing."""
    formula = formula_of(metric.key)
    if formula is None or formula.parts is None or numerator is None or not denominator:
        return None
    return _quotient(numerator, denominator, less=int(formula.less_one))


def growth(unit: str, now: Decimal | None, before: Decimal | None) -> Decimal | None:
    """How much a sum has grown; None where a sum says nothing or the earlier one is not positive."""
    if unit not in SUMMED_UNITS or now is None or before is None or before <= 0:
        return None
    return _quotient(now, before, less=1)


def weighted_change(metric: Metric, *, now: Parts, before: Parts) -> Decimal | None:
    """
    How much a weighted ratio has changed: a difference, not a share of what it was.

    None where there is no weighted ratio, or a share split would show as a change.
    """
    formula = formula_of(metric.key)
    (above, below), (above_before, below_before) = now, before
    if formula is None or formula.parts is None or is_changed_by_splits(metric):
        return None
    if above is None or above_before is None or not below or not below_before:
        return None
    with localcontext(prec=_WORKING_DIGITS):
        return plain(round(above / below - above_before / below_before, _DECIMALS_KEPT))


def _quotient(above: Decimal, below: Decimal, *, less: int) -> Decimal:
    with localcontext(prec=_WORKING_DIGITS):
        return plain(round(above / below - less, _DECIMALS_KEPT))


def render_fragment(rows: Iterable[AggregateRow]) -> bytes:
    """This will render rows as a JSON array sorted by group; numbers are exact decimal literals."""
    return join_rows(map(render_row, sorted(rows, key=lambda row: row.group)))


def render_row(row: AggregateRow) -> bytes:
    """This will render one row of a fragment."""
    return _encoder.encode(row)


def join_rows(rendered: Iterable[bytes]) -> bytes:
    """This will make a fragment of rows that are rendered and in order."""
    return b"[%b]" % b",".join(rendered)


def _members(ciks: Sequence[int], values: Sequence[Decimal], names: Mapping[int, str]) -> list[MemberRow]:
    return [MemberRow(company=names[cik], cik=cik, value=plain(value)) for cik, value in zip(ciks, values, strict=True)]


def _shown(value: Decimal | None) -> Decimal | None:
    return None if value is None else plain(value)


def plain(value: Decimal) -> Decimal:
    """The same number without exponent or trailing zeros, as answers show it."""
    text = format(value, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
