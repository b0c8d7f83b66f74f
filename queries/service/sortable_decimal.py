"""
Exact numbers as text that sorts as they do, byte by byte: the score of a sorted set is a float, its members are bytes.

A sign (0 negative, 1 zero, 2 positive), six digits of exponent, the digits without trailing zeros, and an end mark that
sorts before every digit. Of a negative number exponent and digits are turned over and the end mark sorts last. No text
is the beginning of another number's.
"""

from decimal import Decimal

_BIAS = 500_000
_ZERO = "1"
_TURNED = str.maketrans("0123456789 ", "9876543210~")
_TURNED_BACK = str.maketrans("9876543210~", "0123456789 ")


def sortable(value: Decimal) -> str:
    """The text of a finite number; equal numbers have equal texts."""
    if not value:
        return _ZERO
    sign, digits, _ = value.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    magnitude = f"{value.adjusted() + _BIAS:06d}{text} "
    return f"0{magnitude.translate(_TURNED)}" if sign else f"2{magnitude}"


def from_sortable(text: str) -> Decimal:
    """The number a text was made of."""
    if text == _ZERO:
        return Decimal(0)
    magnitude = text[1:] if text[0] == "2" else text[1:].translate(_TURNED_BACK)
    digits = tuple(map(int, magnitude[6:-1]))
    return Decimal((int(text[0] == "0"), digits, int(magnitude[:6]) - _BIAS - len(digits) + 1))
