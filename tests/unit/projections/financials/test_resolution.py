"""Resolution against real figures; each copy is named by the filing it stands in."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from projections.financials.copies import Copy, reporting_cycle
from projections.financials.forms import trust_tier
from projections.financials.resolution import MetricVersion, resolve
from queries.metrics.periods import duration_days, known_at


def copy(
    concept: str,
    start: str | None,
    end: str,
    value: int | str,
    accession: str,
    filed: str,
    *,
    form: str = "10-K",
    unit: str = "USD",
    withdrawn: datetime | None = None,
    report_end: str | None = None,
) -> Copy:
    tier = trust_tier(form)
    assert tier is not None
    first, last = date.fromisoformat(start) if start else None, date.fromisoformat(end)
    known = known_at(date.fromisoformat(filed), None)
    days = duration_days(first, last)
    cycle = reporting_cycle(last, date.fromisoformat(report_end) if report_end else None)
    return Copy(
        f"us-gaap:{concept}",
        unit,
        first,
        last,
        days,
        Decimal(value),
        known,
        withdrawn,
        accession,
        tier,
        cycle,
        form.endswith("/A"),
    )


def resolved(copies: Iterable[Copy], *, sic: str | None = "3571", trailing: bool = False) -> list[MetricVersion]:
    rows = resolve(copies, sic=sic, wanted=lambda day: True).values
    return [row for row in rows if (row.period_type == "ttm") == trailing]


def versions(copies: list[Copy], metric: str, end: str) -> list[tuple[int, str]]:
    rows = [row for row in resolved(copies) if row.metric == metric]
    found = [row for row in rows if row.period_end.isoformat() == end]
    return [(int(row.value), row.accession) for row in sorted(found, key=lambda row: row.revision)]


def latest(copies: list[Copy], metric: str, end: str) -> MetricVersion | None:
    rows = resolved(copies)
    return next(
        (row for row in rows if row.metric == metric and row.period_end.isoformat() == end and row.known_to is None),
        None,
    )


APPLE_2009 = ("2008-09-28", "2009-09-26")
APPLE_FY2009_REVENUE = [
    copy("SalesRevenueNet", *APPLE_2009, 36_537_000_000, "0001193125-09-214859", "2009-10-27"),
    copy("SalesRevenueNet", *APPLE_2009, 42_905_000_000, "0001193125-10-012091", "2010-01-25", form="10-K/A"),
    copy("SalesRevenueNet", *APPLE_2009, 42_905_000_000, "0001193125-10-238044", "2010-10-27"),
    copy("SalesRevenueNet", *APPLE_2009, 42_905_000_000, "0001193125-11-282113", "2011-10-26"),
]


class TestVintages:
    def test_an_amendment_is_a_new_version_and_a_repetition_is_not(self) -> None:
        found = versions(APPLE_FY2009_REVENUE, "revenue", "2009-09-26")

        assert found == [(36_537_000_000, "0001193125-09-214859"), (42_905_000_000, "0001193125-10-012091")]

    def test_versions_meet_without_gap_at_the_end_of_the_filing_day_in_new_york(self) -> None:
        first, second = (
            row for row in resolved(APPLE_FY2009_REVENUE) if (row.metric, row.period_type) == ("revenue", "annual")
        )

        assert first.known_from == datetime(2009, 10, 28, 4, tzinfo=UTC)
        assert first.known_to == second.known_from == datetime(2010, 1, 26, 5, tzinfo=UTC)
        assert second.known_to is None
        assert (first.flags, second.flags) == ((), ("restated",))

    def test_the_order_in_which_copies_come_does_not_matter(self) -> None:
        forwards = resolved(APPLE_FY2009_REVENUE)
        backwards = resolved(reversed(APPLE_FY2009_REVENUE))

        assert forwards == backwards

    def test_a_withdrawn_filing_gives_way_to_what_was_known_before_it(self) -> None:
        withdrawn_at = datetime(2010, 3, 1, tzinfo=UTC)
        original = APPLE_FY2009_REVENUE[0]
        amended = copy(
            "SalesRevenueNet", *APPLE_2009, 42_905_000_000, "0001193125-10-012091", "2010-01-25", withdrawn=withdrawn_at
        )

        rows = resolved([original, amended])
        found = [(int(row.value), row.known_from) for row in rows if row.metric == "revenue"]

        assert found == [
            (36_537_000_000, original.known_from),
            (42_905_000_000, amended.known_from),
            (36_537_000_000, withdrawn_at),
        ]

    @pytest.mark.parametrize("concept", ["SalesRevenueNet", "Assets"])
    def test_a_filing_withdrawn_before_it_became_known_says_nothing(self, concept: str) -> None:
        start = None if concept == "Assets" else APPLE_2009[0]
        withdrawn = datetime(2009, 12, 31, tzinfo=UTC)
        early = copy(concept, start, APPLE_2009[1], 1, "0001193125-10-012091", "2010-01-25", withdrawn=withdrawn)

        assert resolved([early]) == resolved([early], trailing=True) == []

    def test_a_periodic_report_is_trusted_before_a_current_report_that_came_later(self) -> None:
        year = ("2012-07-01", "2013-06-30")
        procter_and_gamble = [
            copy("SalesRevenueNet", *year, 84_167_000_000, "0000080424-13-000063", "2013-08-08"),
            copy("SalesRevenueNet", *year, 84_167_000_000, "0000080424-13-000094", "2013-10-28", form="8-K"),
            copy("SalesRevenueNet", *year, 82_581_000_000, "0000080424-14-000057", "2014-08-08"),
            copy("SalesRevenueNet", *year, 80_116_000_000, "0000080424-15-000070", "2015-08-07"),
            copy("SalesRevenueNet", *year, 73_910_000_000, "0000080424-15-000101", "2015-10-26", form="8-K"),
        ]

        found = latest(procter_and_gamble, "revenue", "2013-06-30")

        assert found is not None
        assert (int(found.value), found.accession) == (80_116_000_000, "0000080424-15-000070")

    @pytest.mark.parametrize("form", ["DEF 14A", "PRE 14A", "424B5", "S-1", "Other", ""])
    def test_proxy_statements_and_prospectuses_never_feed_a_metric(self, form: str) -> None:
        assert trust_tier(form) is None


class TestSelection:
    def test_the_largest_total_of_one_filing_is_the_revenue(self) -> None:
        year = ("2012-07-01", "2013-06-30")
        slice_and_total = [
            copy("Revenues", *year, 29_200_000_000, "0000080424-14-000057", "2014-08-08"),
            copy("SalesRevenueNet", *year, 82_581_000_000, "0000080424-14-000057", "2014-08-08"),
        ]

        found = latest(slice_and_total, "revenue", "2013-06-30")

        assert found is not None
        assert (int(found.value), found.concept) == (82_581_000_000, "us-gaap:SalesRevenueNet")

    def test_the_preferred_concept_wins_though_another_was_filed_later(self) -> None:
        cash = [
            copy("CashAndCashEquivalentsAtCarryingValue", None, "2021-09-25", 34_940_000_000, "0000320193-22-000108",
                 "2022-10-28"),
            copy("CashCashEquivalentsRestrictedCashAndRestrictedCashEquivalents", None, "2021-09-25", 35_929_000_000,
                 "0000320193-24-000123", "2024-11-01"),
        ]  # fmt: skip

        found = latest(cash, "cash", "2021-09-25")

        assert found is not None
        assert found.value == 34_940_000_000

    def test_a_fact_in_a_unit_that_is_no_currency_feeds_nothing(self) -> None:
        restaurants = [copy("Revenues", "2023-01-01", "2023-12-31", 40_275, "0000063908-24-000072", "2024-02-22",
                            unit="Restaurant")]  # fmt: skip

        assert resolved(restaurants) == []

    def test_six_months_are_neither_a_quarter_nor_a_year(self) -> None:
        half = [copy("NetIncomeLoss", "2018-09-30", "2019-03-30", 31_526_000_000, "0000320193-19-000066", "2019-05-01")]

        assert resolved(half) == []


YEAR_2023 = ("2022-09-25", "2023-09-30")
APPLE_FY2023 = [
    copy("RevenueFromContractWithCustomerExcludingAssessedTax", *YEAR_2023, 383_285_000_000, "0000320193-23-000106",
         "2023-11-03"),
    copy("CostOfGoodsAndServicesSold", *YEAR_2023, 214_137_000_000, "0000320193-23-000106", "2023-11-03"),
    copy("NetIncomeLoss", *YEAR_2023, 96_995_000_000, "0000320193-23-000106", "2023-11-03"),
    copy("StockholdersEquity", None, "2023-09-30", 62_146_000_000, "0000320193-23-000106", "2023-11-03"),
    copy("StockholdersEquity", None, "2022-09-24", 50_672_000_000, "0000320193-22-000108", "2022-10-28"),
]  # fmt: skip


class TestFormulas:
    def test_gross_profit_is_derived_where_it_is_not_reported(self) -> None:
        found = latest(APPLE_FY2023, "gross_profit", "2023-09-30")

        assert found is not None
        assert (int(found.value), found.flags, found.concept) == (169_148_000_000, ("derived",), None)

    def test_a_ratio_names_the_newest_filing_among_its_operands(self) -> None:
        # Net income 96,995 million over the mean of equity 62,146 and 50,672 million.
        found = latest(APPLE_FY2023, "roe", "2023-09-30")

        assert found is not None
        assert found.value == Decimal("1.719495116028")
        assert found.accession == "0000320193-23-000106"

    def test_a_restated_operand_restates_the_ratio(self) -> None:
        income = [
            copy("NetIncomeLoss", *APPLE_2009, 5_704_000_000, "0001193125-09-214859", "2009-10-27"),
            copy("NetIncomeLoss", *APPLE_2009, 8_235_000_000, "0001193125-10-012091", "2010-01-25", form="10-K/A"),
        ]

        rows = resolved(APPLE_FY2009_REVENUE + income)
        margins = [(row.value, row.accession) for row in rows if row.metric == "net_margin"]

        assert margins == [
            (Decimal("0.156115718313"), "0001193125-09-214859"),  # 5,704 / 36,537
            (Decimal("0.191935671833"), "0001193125-10-012091"),  # 8,235 / 42,905
        ]

    def test_a_ratio_whose_parts_alone_are_restated_is_a_version_with_the_new_parts(self) -> None:
        # Kimberly-Clark's 10-Q said millions in whole dollars; its amendment mended that.
        quarter, first, mended = ("2010-01-01", "2010-03-31"), "0000055785-10-000019", "0000055785-10-000026"
        copies = [
            copy("OperatingIncomeLoss", *quarter, 665, first, "2010-05-07", form="10-Q"),
            copy("SalesRevenueNet", *quarter, 4_835, first, "2010-05-07", form="10-Q"),
            copy("OperatingIncomeLoss", *quarter, 665_000_000, mended, "2010-05-14", form="10-Q/A"),
            copy("SalesRevenueNet", *quarter, 4_835_000_000, mended, "2010-05-14", form="10-Q/A"),
        ]

        rows = [row for row in resolved(copies) if row.metric == "operating_margin"]

        assert [(row.value, row.numerator, row.denominator, row.accession) for row in rows] == [
            (Decimal("0.137538779731"), Decimal(665), Decimal(4_835), first),
            (Decimal("0.137538779731"), Decimal(665_000_000), Decimal(4_835_000_000), mended),
        ]

    def test_operands_in_two_currencies_give_no_ratio(self) -> None:
        mixed = [
            copy("Revenues", "2023-01-01", "2023-12-31", 100, "0001000000-24-000001", "2024-02-01"),
            copy("NetIncomeLoss", "2023-01-01", "2023-12-31", 10, "0001000000-24-000001", "2024-02-01", unit="EUR"),
        ]

        assert latest(mixed, "net_margin", "2023-12-31") is None

    def test_a_return_on_negative_equity_is_undefined(self) -> None:
        losses = [
            copy("NetIncomeLoss", *YEAR_2023, 10, "0001000000-23-000001", "2023-11-03"),
            copy("StockholdersEquity", None, "2023-09-30", -5, "0001000000-23-000001", "2023-11-03"),
            copy("StockholdersEquity", None, "2022-09-24", -5, "0001000000-23-000001", "2023-11-03"),
        ]

        assert latest(losses, "roe", "2023-09-30") is None

    def test_a_value_derived_before_the_total_was_reported_stays_known_for_that_time(self) -> None:
        operands = [
            copy("LiabilitiesAndStockholdersEquity", None, "2023-12-31", 100, "0001000000-24-000001", "2024-02-01"),
            copy("StockholdersEquity", None, "2023-12-31", 40, "0001000000-24-000001", "2024-02-01"),
            copy("Liabilities", None, "2023-12-31", 58, "0001000000-25-000001", "2025-02-01"),
        ]

        found = versions(operands, "liabilities", "2023-12-31")

        assert found == [(60, "0001000000-24-000001"), (58, "0001000000-25-000001")]
