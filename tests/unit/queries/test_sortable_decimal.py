"""Numbers as text that sorts as they do."""

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from queries.service.sortable_decimal import from_sortable, sortable

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None) | st.integers(-99, 99).map(Decimal)


class TestSortable:
    @given(NUMBERS, NUMBERS)
    @example(Decimal("5"), Decimal("5.00"))
    @example(Decimal("-5"), Decimal("-5.5"))
    @example(Decimal("5"), Decimal("55"))
    @example(Decimal("-0"), Decimal("1e-300"))
    @example(Decimal("12345678901234567890.000000000001"), Decimal("12345678901234567890.000000000002"))
    def test_sorts_as_the_numbers_do(self, one: Decimal, other: Decimal) -> None:
        texts = sortable(one).encode(), sortable(other).encode()

        assert (one < other, one == other) == (texts[0] < texts[1], texts[0] == texts[1])

    @given(NUMBERS)
    def test_gives_the_number_back(self, number: Decimal) -> None:
        assert from_sortable(sortable(number)) == number

    @given(NUMBERS, NUMBERS)
    def test_is_never_the_beginning_of_another_number(self, one: Decimal, other: Decimal) -> None:
        # A CIK of ten digits follows, which must not count as digits of the number.
        assert one == other or not f"{sortable(one)}0000000000".startswith(sortable(other))
