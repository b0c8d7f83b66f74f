"""Exact statistics of a group: decimals in, decimals out."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext

import msgspec

from projections.financials.rounding import DECIMALS_KEPT, EXACT_DIGITS


class GroupStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept about the values of a group; mean and percentiles are rounded, half up, to twelve decimals."""

    n: int
    sum: Decimal
    sum_of_squares: Decimal
    mean: Decimal
    min: Decimal
    p10: Decimal
    p25: Decimal
    median: Decimal
    p75: Decimal
    p90: Decimal
    max: Decimal


def summarise(ordered: Sequence[Decimal]) -> GroupStatistics:
    """This will describe at least one value, given in ascending order."""
    with localcontext(prec=EXACT_DIGITS):
        return _summarise(ordered)


def _summarise(ordered: Sequence[Decimal]) -> GroupStatistics:
    total = sum(ordered, Decimal(0))
    return GroupStatistics(
        n=len(ordered),
        sum=total,
        sum_of_squares=sum((value * value for value in ordered), Decimal(0)),
        mean=_rounded(total / len(ordered)),
        min=ordered[0],
        p10=percentile(ordered, 10),
        p25=percentile(ordered, 25),
        median=percentile(ordered, 50),
        p75=percentile(ordered, 75),
        p90=percentile(ordered, 90),
        max=ordered[-1],
    )


def percentile(ordered: Sequence[Decimal], percent: int) -> Decimal:
    """
    The value below which so many percent lie, interpolated linearly between the two nearest ranks.

    The definition of SQL's percentile_cont.
    """
    hundredths = percent * (len(ordered) - 1)
    rank, remainder = divmod(hundredths, 100)
    if not remainder:
        return ordered[rank]
    low, high = ordered[rank], ordered[rank + 1]
    return _rounded(low + (high - low) * remainder / 100)


def _rounded(value: Decimal) -> Decimal:
    """As SQL's round does it: half away from zero."""
    return value.quantize(Decimal(1).scaleb(-DECIMALS_KEPT), rounding=ROUND_HALF_UP)
