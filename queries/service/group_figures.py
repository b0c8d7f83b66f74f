"""Where a value stands in its group, exactly: rank, percentile, z-score, distance to the median."""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from functools import reduce

import msgspec

PLACES = 12
"""Decimals that worked-out figures are rounded to."""

_ROUNDED = Decimal(1).scaleb(-PLACES)
# Sums and products of filed values have far fewer digits than the first, so that nothing is rounded before the end.
_EXACT = Context(prec=1_000, rounding=ROUND_HALF_EVEN)
_NEARLY = Context(prec=100, rounding=ROUND_HALF_EVEN)


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the values of a group's members add up to; `lower` and `upper` are the one or two in the middle."""

    n: int
    sum: Decimal
    squares: Decimal
    lower: Decimal
    upper: Decimal

    @property
    def median(self) -> Decimal:
        """The middle value, or the middle of two, rounded as the medians of the aggregates are."""
        if self.n % 2:
            return self.lower
        middle = _EXACT.multiply(_EXACT.add(self.lower, self.upper), Decimal("0.5"))
        return middle.quantize(_ROUNDED, rounding=ROUND_HALF_UP, context=_EXACT)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value stands: how many members have a smaller one, and how many one that is not larger."""

    group: GroupFigures
    below: int
    not_larger: int


def figures_of(ascending: Sequence[Decimal]) -> GroupFigures:
    """What one or more values, in ascending order, add up to."""
    n = len(ascending)
    return GroupFigures(
        n=n,
        sum=reduce(_EXACT.add, ascending),
        squares=reduce(_EXACT.add, (_EXACT.multiply(value, value) for value in ascending)),
        lower=ascending[(n - 1) // 2],
        upper=ascending[n // 2],
    )


def percentile(not_larger: int, *, n: int) -> Decimal:
    """The share of n members whose value is not larger, in hundredths."""
    return _rounded(_NEARLY.divide(Decimal(100 * not_larger), Decimal(n)))


def from_median(value: Decimal, group: GroupFigures) -> Decimal:
    """How far a value is from the group's median."""
    return _EXACT.subtract(value, group.median)


def ratio(value: Decimal, other: Decimal) -> Decimal:
    """A value over another that is not zero."""
    return _rounded(_NEARLY.divide(value, other))


def zscore_in(group: GroupFigures) -> Callable[[Decimal], Decimal] | None:
    """
    How to tell how many standard deviations of a group a value is from its mean; None where all have the same value.

    The group is the whole population: the deviation divides by n.
    """
    # (value - sum/n) / sqrt(squares/n - (sum/n)^2), both sides times n.
    n = Decimal(group.n)
    spread = _EXACT.subtract(_EXACT.multiply(n, group.squares), _EXACT.multiply(group.sum, group.sum))
    if not spread:
        return None
    deviation = spread.sqrt(_NEARLY)
    return lambda value: _rounded(_NEARLY.divide(_EXACT.subtract(_EXACT.multiply(n, value), group.sum), deviation))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_ROUNDED, context=_NEARLY)
