"""What can be said of companies in a condition, and what is refused with its place and a repair."""

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from queries.metrics.groupings import GroupBy
from queries.service.screen_grammar import (
    Between,
    Comparison,
    Condition,
    ConditionInvalid,
    Figure,
    Measure,
    Membership,
    Standing,
    read_condition,
    read_figure,
)


def standing(metric: str, measure: Measure, group_by: GroupBy) -> Figure:
    return Figure(metric=metric, standing=Standing(measure=measure, group_by=group_by))


REVENUE = Figure(metric="revenue")
BILLION = Decimal("1e9")

GOOD: list[tuple[str, Condition]] = [
    ("revenue > 1e9", Comparison(left=REVENUE, sign=">", right=BILLION)),
    ("  REVENUE>1E+9 ", Comparison(left=REVENUE, sign=">", right=BILLION)),
    ("revenue != 0", Comparison(left=REVENUE, sign="!=", right=Decimal(0))),
    ("net_margin >= .2", Comparison(left=Figure(metric="net_margin"), sign=">=", right=Decimal("0.2"))),
    ("net_income<-2.50", Comparison(left=Figure(metric="net_income"), sign="<", right=Decimal("-2.50"))),
    (
        "revenue_growth_yoy.percentile(sector) > 90",
        Comparison(left=standing("revenue_growth_yoy", "percentile", "sector"), sign=">", right=Decimal(90)),
    ),
    (
        "roe . rank ( industry ) <= 10",
        Comparison(left=standing("roe", "rank", "industry"), sign="<=", right=Decimal(10)),
    ),
    (
        "total_assets.zscore(all) > 2",
        Comparison(left=standing("total_assets", "zscore", "all"), sign=">", right=Decimal(2)),
    ),
    (
        "free_cash_flow > net_income",
        Comparison(left=Figure(metric="free_cash_flow"), sign=">", right=Figure(metric="net_income")),
    ),
    (
        "revenue > revenue@CY2020",
        Comparison(left=REVENUE, sign=">", right=Figure(metric="revenue", period="CY2020")),
    ),
    (
        "revenue@cy2022q3ttm > 1e9",
        Comparison(left=Figure(metric="revenue", period="CY2022Q3TTM"), sign=">", right=BILLION),
    ),
    (
        "total_assets@CY2022 > 1e9",
        Comparison(left=Figure(metric="total_assets", period="CY2022Q4I"), sign=">", right=BILLION),
    ),
    ("revenue between 1e9 and 5e9", Between(figure=REVENUE, low=BILLION, high=Decimal("5e9"))),
    ("sector = Manufacturing", Membership(group_by="sector", keys=("manufacturing",), inside=True)),
    ("sector != retail-trade", Membership(group_by="sector", keys=("retail-trade",), inside=False)),
    ("industry in 2834,2836, 2834", Membership(group_by="industry", keys=("2834", "2836"), inside=True)),
    ("major_group not in 01, 28", Membership(group_by="major_group", keys=("01", "28"), inside=False)),
    ("country != US", Membership(group_by="country", keys=("us",), inside=False)),
    ('country = "Viet Nam; --"', Membership(group_by="country", keys=("viet nam; --",), inside=True)),
    ("size_class = large_accelerated", Membership(group_by="size_class", keys=("large_accelerated",), inside=True)),
]

BAD: list[tuple[str, int, str]] = [
    ("", 1, "write a metric of /v1/metrics, as in revenue > 1e9"),
    ("revenu > 1", 1, "write revenue"),
    ("sectr = services", 1, "write sector"),
    ("revenue", 8, "write <, <=, >, >=, =, != or between, as in revenue > 0"),
    ("revenue >", 10, "write revenue > 1e9"),
    ("revenue 1e9", 9, "write <, <=, >"),
    ("revenue == 1", 9, "write ="),
    ("revenue <> 1", 9, "write !="),
    ("revenue >> 1", 10, "write revenue > 1e9"),
    ("revenue > 1bn", 11, "write digits alone"),
    ("revenue > 1.5bn", 11, "write digits alone"),
    ("revenue > 1e", 11, "write digits alone"),
    ("revenue > 1,000", 12, "write 2500000"),
    ("revenue > $5", 11, "write the number alone"),
    ("net_margin > 20%", 16, "write a share of one: 0.2"),
    ("revenue > 1e41", 11, "write 1e9"),
    ("revenue > 1e99999999999", 11, "write 1e9"),
    (f"revenue > {'9' * 41}", 11, "write 1e9"),
    ("revenue > nan", 11, "write"),
    ("revenue > infinity", 11, "write"),
    ("revenue > 1 and net_income > 1", 13, "another where="),
    ("revenue > 1 or 1=1", 13, "another where="),
    ("revenue > 1 || 1", 13, "cannot be joined by or"),
    ("revenue > 1 2", 13, "end the condition before it"),
    ("(revenue > 1)", 1, "write a metric"),
    ("revenue + 1 > 2", 9, "write as in"),
    ("revenue > net_margin", 11, "compare metrics of one unit"),
    ("revenue > sector", 11, "a condition of its own"),
    ("revenue in 1,2", 9, "write revenue between"),
    ("revenue between 5 and 1", 23, "write revenue between 1 and 5"),
    ("revenue between 5", 18, "write revenue between 5 and 6"),
    ("revenue@FY2022 > 1", 9, "use CY2022"),
    ("revenue@CY2022Q3I > 1", 9, "use CY2022Q3"),
    ("revenue@ > 1", 10, "write revenue@CY2022"),
    ("selling_expense > 1", 1, "write sga_expense"),
    ("roe.median(sector) > 1", 5, "write roe.percentile(sector)"),
    ("roe.rank > 1", 10, "write roe.rank(sector)"),
    ("roe.rank() > 1", 10, "write all or sector"),
    ("roe.rank(sector > 1", 17, "write roe.rank(sector)"),
    ("roe.rank(sector) <= 0", 21, "write roe.rank(sector) <= 10"),
    ("roe.rank(sector) <= 1.5", 21, "write roe.rank(sector) <= 10"),
    ("roe.percentile(sector) > 101", 26, "write roe.percentile(sector) > 90"),
    ("roe.percentile(sector) > roa", 26, "write roe.percentile(sector) > 1"),
    ("roe > roa.rank(all)", 7, "write roe > 1"),
    ("sector > services", 8, "write =, !=, in or not in"),
    ("sector = ", 10, "write a word"),
    ("sector in services,", 20, "write a word"),
    ("sector not services", 12, "write sector not in"),
    ("sector == services", 8, "write ="),
    ("all = x", 1, "leave it out"),
    ("industry = 283", 12, "2834"),
    ("major_group = 2834", 15, "28"),
    ("sector = 'services'", 10, 'write "double quotes"'),
    (f"industry in {','.join(f'{code:04}' for code in range(51))}", 1, "name fewer"),
    ("revenue; drop table company", 8, "write as in"),
    ("revenue > 1 -- ", 13, "write as in"),
    ("revenue > (select 1)", 11, "write revenue > 1e9"),
    ("sector = x\x00", 11, "write as in"),
    ("рevenue > 1", 1, "write as in"),
    ("revenue > ٣", 11, "write as in"),
    ("revenue ＞ 1", 9, "write as in"),
    ("revenue > 1\u202e", 12, "write as in"),
    ("(" * 250, 1, "write a metric"),
    ("revenue > " + "1" * 10_000, 301, "say it shorter"),
]


@pytest.mark.parametrize(("text", "condition"), GOOD)
def test_a_condition_is_read(text: str, condition: Condition) -> None:
    assert read_condition(text) == condition


@pytest.mark.parametrize(("text", "at", "fix"), BAD)
def test_what_is_no_condition_is_refused_with_its_place_and_a_repair(text: str, at: int, fix: str) -> None:
    with pytest.raises(ConditionInvalid, match=rf"^at character {at}: ") as refused:
        read_condition(text)

    assert refused.value.at == at
    assert fix in refused.value.fix


@pytest.mark.parametrize("text", ["revenue", "revenue@CY2022", "roe.rank(industry)", "roe@CY2022.percentile(all)"])
def test_a_figure_alone_is_read_and_written_alike(text: str) -> None:
    assert read_figure(text).text == text


@pytest.mark.parametrize("text", ["revenue > 1", "sector", "1", ""])
def test_nothing_else_is_a_figure(text: str) -> None:
    with pytest.raises(ConditionInvalid):
        read_figure(text)


_WORDS = ["revenue", "roe", "sector", "industry", "all", "between", "and", "not", "in", "percentile", "rank", "CY2022"]
_SIGNS = ["<", "<=", "=", "!=", ".", "@", "(", ")", ",", " ", "1e9", "-1", "0.5", "2834", '"', "\x00", "é", "١", "'"]
_PARTS = st.sampled_from([*_WORDS, *_SIGNS])


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(max_size=320), st.lists(_PARTS, max_size=14).map(" ".join), st.lists(_PARTS).map("".join)))
@example("revenue" * 40)
def test_any_text_is_a_condition_or_refused_inside_it(text: str) -> None:
    refused = None
    try:
        read_condition(text)
    except ConditionInvalid as error:
        refused = error

    assert refused is None or 1 <= refused.at <= len(text) + 1
    assert refused is None or (refused.reason and refused.fix)
