"""Why there is no figure."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from queries.metrics.catalogue import load_catalogue
from queries.metrics.periods import PeriodType
from queries.service.absence import (
    REASONS,
    Absence,
    Known,
    Place,
    first_end_consulted,
    metrics_behind,
    metrics_consulted,
    why_absent,
)

END = date(2023, 12, 31)


class Value(msgspec.Struct, frozen=True, kw_only=True):
    metric: str
    value: Decimal
    period_type: PeriodType = "annual"
    period_end: date = END
    duration_days: int = 365
    unit: str = "USD"
    period: str | None = "CY2023"


def flow(metric: str, value: int, *, unit: str = "USD") -> Value:
    return Value(metric=metric, value=Decimal(value), unit=unit)


def trailing(metric: str, value: int, *, end: date = END, period: str = "CY2023Q4TTM") -> Value:
    return Value(metric=metric, value=Decimal(value), period_type="ttm", period_end=end, period=period)


def balance(metric: str, value: int, *, end: date = END) -> Value:
    return Value(metric=metric, value=Decimal(value), period_type="instant", period_end=end, duration_days=0)


def absence(key: str, *values: Value, kind: PeriodType = "annual", sic: str | None = "3571") -> Absence:
    days = 0 if kind == "instant" else 365
    return why_absent(
        load_catalogue().by_key()[key], Place(kind=kind, end=END, days=days), sics=(sic,), known=Known(values)
    )


@pytest.mark.parametrize(
    ("key", "values", "reason"),
    [
        ("rnd_expense", [], "not_reported"),
        ("gross_profit", [flow("revenue", 10)], "not_reported"),
        ("gross_margin", [flow("revenue", 10)], "operand_missing:gross_profit"),
        ("gross_margin", [flow("gross_profit", 4)], "operand_missing:revenue"),
        ("gross_margin", [flow("gross_profit", 4), flow("revenue", 0)], "undefined"),
        ("payout_ratio", [flow("dividends_paid", 4), flow("net_income", -1)], "undefined"),
        ("net_margin", [flow("net_income", 4, unit="EUR"), flow("revenue", 9)], "currency_mismatch"),
        ("revenue_growth_yoy", [flow("revenue", 9)], "operand_missing:revenue"),
        ("roe", [balance("equity", 9), balance("equity", 8, end=date(2022, 12, 31))], "operand_missing:net_income"),
        (
            "roe",
            [trailing("net_income", 1), balance("equity", -9), balance("equity", -8, end=date(2022, 12, 31))],
            "undefined",
        ),
    ],
)
def test_of_a_year_is_told_by_formula_and_operands(key: str, values: list[Value], reason: str) -> None:
    assert absence(key, *values).reason == reason


@pytest.mark.parametrize(("sic", "reason"), [("6021", "not_applicable"), ("6411", "not_applicable"), (None, None)])
def test_of_banks_and_insurers_is_not_applicable(sic: str | None, reason: str | None) -> None:
    expected = reason or "operand_missing:gross_profit"

    assert absence("gross_margin", flow("revenue", 10), sic=sic).reason == expected


def test_of_twelve_months_names_the_newest_there_are() -> None:
    old = trailing("revenue", 9, end=date(2019, 6, 30), period="CY2019Q2TTM")

    assert absence("revenue", old, kind="ttm") == Absence(reason="no_twelve_months", newest="CY2019Q2TTM")
    assert absence("revenue", kind="ttm").reason == "not_reported"


def test_tells_what_it_would_take() -> None:
    assert absence("asset_turnover").missing == ("ttm(revenue)", "total_assets", "years_ago(total_assets, 1)")
    assert absence("eps_basic").missing[0] == "us-gaap:EarningsPerShareBasic"
    assert absence("payout_ratio", flow("dividends_paid", 1), flow("net_income", -1)).missing == ("net_income <= 0",)


def test_has_a_known_reason_for_every_metric_and_kind_of_period() -> None:
    kinds: tuple[PeriodType, ...] = ("annual", "quarterly", "ttm", "instant")

    told = {absence(metric.key, kind=kind).reason for metric in load_catalogue().metrics for kind in kinds}

    assert {reason.partition(":")[0] for reason in told} <= set(REASONS)


def test_consults_operands_and_their_operands() -> None:
    margin = load_catalogue().by_key()["fcf_margin"]

    assert metrics_consulted(margin) == {"fcf_margin", "free_cash_flow", "revenue"}
    assert metrics_behind(margin) >= {"operating_cash_flow", "capex"}


def test_looks_back_as_far_as_the_longest_growth_rate() -> None:
    place = Place(kind="annual", end=date(2023, 12, 31), days=365)

    assert first_end_consulted([place]) == date(2020, 12, 11)
