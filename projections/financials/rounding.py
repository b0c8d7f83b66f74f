"""How many digits are worked with, and how many are kept."""

from decimal import Decimal

WORKING_DIGITS = 60
"""Precision of all arithmetic: sums and products of accepted values are exact."""

EXACT_DIGITS = 1000
"""Sums of figures and of their squares have fewer digits, as worked-out ratios too: nothing of them is rounded."""

DECIMALS_KEPT = 12

_WHOLE = Decimal(1)


def rounded(value: Decimal) -> Decimal:
    """A worked-out value as it is kept: half-even to at most twelve decimals, and never a negative zero."""
    if not value.same_quantum(_WHOLE):
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -DECIMALS_KEPT:
            value = round(value, DECIMALS_KEPT)
    return value or Decimal(0)
