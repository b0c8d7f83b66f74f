from decimal import Decimal
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from projections.financials.statistics import percentile, summarise

money = st.decimals(min_value=-(10**15), max_value=10**15, places=2)


@given(st.lists(money, min_size=1, max_size=40))
def test_agrees_with_the_plain_definitions(values: list[Decimal]) -> None:
    ordered = sorted(values)

    found = summarise(ordered)

    assert (found.n, found.sum, found.min, found.max) == (len(values), sum(values), min(values), max(values))
    assert found.median == median(values)
    assert abs(found.mean * found.n - found.sum) < Decimal("1e-10")
    assert found.min <= found.p10 <= found.p25 <= found.median <= found.p75 <= found.p90 <= found.max


def test_a_percentile_lies_between_the_two_nearest_ranks() -> None:
    # PostgreSQL: select percentile_cont(0.1) within group (order by v) from (values (1), (2), (4), (8)) as t (v) -> 1.3
    assert percentile([Decimal(1), Decimal(2), Decimal(4), Decimal(8)], 10) == Decimal("1.3")
