from decimal import Decimal, InvalidOperation, localcontext

import pytest

from projections.financials.rounding import rounded
from queries.metrics.formula import Operand, OperandMissing, parse_formula

REVENUE, COST, BEFORE = Operand("revenue"), Operand("cost"), Operand("revenue", years_ago=3)


class TestRoot:
    @pytest.mark.parametrize(
        ("now", "before"),
        [("383285000000", "274515000000"), ("8", "1"), ("5", "5"), ("133.1", "100"), ("1e30", "1e-13"), ("1", "7e29")],
    )
    def test_is_the_power_with_a_fraction_as_far_as_digits_are_kept(self, now: str, before: str) -> None:
        growth = parse_formula("(revenue / years_ago(revenue, 3)) ** (1 / 3) - 1")
        values = {REVENUE: Decimal(now), BEFORE: Decimal(before)}

        with localcontext(prec=60):
            power = (values[REVENUE] / values[BEFORE]) ** (1 / Decimal(3)) - 1
            assert str(rounded(growth.compute(values.get))) == str(rounded(power))

    def test_of_zero_is_zero(self) -> None:
        assert str(parse_formula("revenue ** (1 / 3)").compute({REVENUE: Decimal("0.00")}.get)) == "0"

    def test_of_a_negative_number_does_not_exist(self) -> None:
        with pytest.raises(InvalidOperation):
            parse_formula("revenue ** (1 / 3)").compute({REVENUE: Decimal(-8)}.get)


class TestOperands:
    def test_are_told_apart_by_year_and_named_once(self) -> None:
        formula = parse_formula("(revenue - cost) / years_ago(revenue, 3) + revenue")

        assert formula.needs == (REVENUE, COST, BEFORE)
        assert formula.compute({REVENUE: Decimal(9), COST: Decimal(1), BEFORE: Decimal(4)}.get) == 11

    def test_parts_take_the_values_of_the_whole(self) -> None:
        formula = parse_formula("cost / (revenue - cost)")

        assert formula.parts is not None
        assert [part([Decimal(2), Decimal(5)]) for part in formula.parts] == [2, 3]

    def test_an_absent_one_counts_for_nothing_only_where_the_formula_says_so(self) -> None:
        assert parse_formula("revenue - or_zero(cost)").compute({REVENUE: Decimal(9)}.get) == 9
        with pytest.raises(OperandMissing):
            parse_formula("revenue - cost").compute({REVENUE: Decimal(9)}.get)
