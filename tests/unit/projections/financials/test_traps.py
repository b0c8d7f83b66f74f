"""
The traps of SEC XBRL data, each with figures that were really filed.

Rules: docs/figures.md. Amounts are in the unit filed; accessions name the filing each figure stands in.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from commands.filings.events import ConceptFacts, FilingReported
from projections.figures.filed_facts import copies_of, period_ends
from projections.figures.rows import FilingRow
from projections.financials.copies import Copy
from projections.financials.names import display_name
from projections.financials.resolution import MetricVersion, Resolved, resolve
from projections.financials.splits import find_splits
from queries.metrics.periods import calendar_label, duration_days, fiscal_label
from tests.factories import duration, instant

MILLION = 1_000_000


class Filing(msgspec.Struct, frozen=True, kw_only=True):
    accession: str
    filed: str
    facts: tuple[ConceptFacts, ...]
    form: str = "10-K"
    accepted_at: datetime | None = None
    source: str = "companyfacts"


def copies(*filings: Filing) -> list[Copy]:
    found: list[Copy] = []
    for filing in filings:
        event = FilingReported(
            cik=1,
            accession=filing.accession,
            form=filing.form,
            filed_on=date.fromisoformat(filing.filed),
            accepted_at=filing.accepted_at,
            source=filing.source,
            facts=filing.facts,
        )
        row = FilingRow(
            cik=1,
            accession=event.accession,
            form=event.form,
            filed_on=event.filed_on,
            accepted_at=event.accepted_at,
            period_end=period_ends(event)[0],
            year_end=period_ends(event)[1],
            source=event.source,
            fact_count=len(event.facts),
            position=1,
        )
        found.extend(copies_of(row, event.facts))
    return found


def resolved(*filings: Filing, sic: str | None = "3571") -> Resolved:
    return resolve(copies(*filings), sic=sic, wanted=lambda day: True)


def latest(rows: Iterable[MetricVersion], metric: str, period: str) -> MetricVersion | None:
    return next((row for row in rows if (row.metric, row.period) == (metric, period) and row.known_to is None), None)


def value(rows: Iterable[MetricVersion], metric: str, period: str) -> Decimal | None:
    found = latest(rows, metric, period)
    return found.value if found else None


def flow(concept: str, start: str, end: str, millions: int) -> ConceptFacts:
    return duration(f"us-gaap:{concept}", start, end, str(millions * MILLION))


def per_share(concept: str, start: str, end: str, amount: str) -> ConceptFacts:
    return duration(f"us-gaap:{concept}", start, end, amount, unit="USD/shares")


def balance(concept: str, end: str, millions: int) -> ConceptFacts:
    return instant(f"us-gaap:{concept}", end, str(millions * MILLION))


REVENUE = "RevenueFromContractWithCustomerExcludingAssessedTax"
CASH_FLOW = "NetCashProvidedByUsedInOperatingActivities"
DIVIDENDS = "us-gaap:CommonStockDividendsPerShareDeclared"


def flows(concept: str, accession: str, filed: str, *stated: tuple[str, str, int], form: str = "10-Q") -> Filing:
    return Filing(accession=accession, filed=filed, form=form, facts=tuple(flow(concept, *fact) for fact in stated))


def dividends(accession: str, filed: str, form: str, *stated: tuple[str, str, str]) -> Filing:
    facts = tuple(duration(DIVIDENDS, start, end, amount, unit="USD/shares") for start, end, amount in stated)
    return Filing(accession=accession, filed=filed, form=form, facts=facts)


def test_1_four_revenues_of_one_10q_are_two_quarters_and_two_half_years() -> None:
    apple = Filing(
        accession="0000320193-19-000066",
        filed="2019-05-01",
        form="10-Q",
        facts=(
            flow(REVENUE, "2017-10-01", "2018-03-31", 149_430),
            flow(REVENUE, "2017-12-31", "2018-03-31", 61_137),
            flow(REVENUE, "2018-09-30", "2019-03-30", 142_325),
            flow(REVENUE, "2018-12-30", "2019-03-30", 58_015),
        ),
    )

    rows = [row for row in resolved(apple).values if row.metric == "revenue" and "from_year_to_date" not in row.flags]

    assert {(row.period, int(row.value) // MILLION) for row in rows} == {("CY2018Q1", 61_137), ("CY2019Q1", 58_015)}


ORACLE_2020 = [
    flows(REVENUE, "0001564590-20-010833", "2020-03-13", ("2019-06-01", "2020-02-29", 28_629)),
    Filing(
        accession="0001564590-20-030125",
        filed="2020-06-22",
        facts=(
            flow(REVENUE, "2019-06-01", "2020-05-31", 39_068),
            flow("Revenues", "2020-03-01", "2020-05-31", 39_068),
        ),
    ),
]


def test_1_a_whole_year_under_the_dates_of_its_last_quarter_is_no_quarter() -> None:
    found = [row for row in resolved(*ORACLE_2020).values if (row.metric, row.period) == ("revenue", "CY2020Q2")]

    # 10,440 in the release of 2020-06-16; filed amounts are rounded.
    assert [(int(row.value) // MILLION, row.flags) for row in found] == [(39_068 - 28_629, ("from_year_to_date",))]


def test_1_a_last_quarter_is_believed_until_something_is_known_of_the_part_before() -> None:
    late = msgspec.structs.replace(ORACLE_2020[0], filed="2020-08-01")

    found = [
        row for row in resolved(ORACLE_2020[1], late).values if (row.metric, row.period) == ("revenue", "CY2020Q2")
    ]

    assert [(int(row.value) // MILLION, row.known_from.date()) for row in found] == [
        (39_068, date(2020, 6, 23)),
        (39_068 - 28_629, date(2020, 8, 2)),
    ]


def test_1_the_only_dividend_of_a_year_is_that_of_its_last_quarter() -> None:
    apple = [
        dividends("0001193125-12-314552", "2012-07-25", "10-Q", ("2011-09-25", "2012-06-30", "2.65")),
        dividends("0001193125-13-300670", "2013-07-24", "10-Q", ("2011-09-25", "2012-06-30", "0")),
        dividends(
            "0001193125-14-383437",
            "2014-10-27",
            "10-K",
            ("2011-09-25", "2012-09-29", "0.38"),
            ("2012-07-01", "2012-09-29", "0.38"),
        ),
    ]

    found = latest(resolved(*apple).values, "dividends_per_share", "CY2012Q3")

    assert found is not None
    assert (found.value, found.flags) == (Decimal("0.38"), ())


@pytest.mark.parametrize(
    ("start", "end", "fiscal_year"),
    [("2025-01-27", "2026-01-25", 2026), ("2025-02-03", "2026-02-01", 2026)],  # NVIDIA says 2026, Home Depot 2025
)
def test_2_peers_are_aligned_by_dates_whatever_they_call_their_year(start: str, end: str, fiscal_year: int) -> None:
    last = date.fromisoformat(end)
    days = duration_days(date.fromisoformat(start), last)

    assert calendar_label(last, days)[0] == "CY2025"
    assert fiscal_label(last, days, last) == (fiscal_year, "FY")


def test_3_a_fact_repeated_in_three_annual_reports_is_one_version_of_the_first() -> None:
    income = flow("NetIncomeLoss", "2016-09-25", "2017-09-30", 48_351)
    apple = [
        Filing(accession="0000320193-17-000070", filed="2017-11-03", facts=(income,)),
        Filing(accession="0000320193-18-000145", filed="2018-11-05", facts=(income,)),
        Filing(accession="0000320193-19-000119", filed="2019-10-31", facts=(income,)),
    ]

    rows = [row for row in resolved(*apple).values if (row.metric, row.period) == ("net_income", "CY2017")]

    assert [(row.accession, row.known_to) for row in rows] == [("0000320193-17-000070", None)]


def sales_2013(accession: str, filed: str, millions: int, form: str = "10-K") -> Filing:
    facts = (flow("SalesRevenueNet", "2012-07-01", "2013-06-30", millions),)
    return Filing(accession=accession, filed=filed, form=form, facts=facts)


PROCTER_AND_GAMBLE = (
    sales_2013("0000080424-13-000063", "2013-08-08", 84_167),
    sales_2013("0000080424-13-000094", "2013-10-28", 84_167, "8-K"),
    sales_2013("0000080424-14-000057", "2014-08-08", 82_581),
    sales_2013("0000080424-15-000070", "2015-08-07", 80_116),
    sales_2013("0000080424-15-000101", "2015-10-26", 73_910, "8-K"),
)


def test_4_each_recast_is_a_version_of_its_own() -> None:
    rows = [row for row in resolved(*PROCTER_AND_GAMBLE).values if (row.metric, row.period) == ("revenue", "CY2013")]

    assert [int(row.value) // MILLION for row in rows] == [84_167, 82_581, 80_116]


APPLE_2009 = ("2008-09-28", "2009-09-26")
APPLE_2009_ORIGINAL = Filing(
    accession="0001193125-09-214859",
    filed="2009-10-27",
    facts=(flow("SalesRevenueNet", *APPLE_2009, 36_537), flow("NetIncomeLoss", *APPLE_2009, 5_704)),
)
APPLE_2009_AMENDED = Filing(
    accession="0001193125-10-012091",
    filed="2010-01-25",
    form="10-K/A",
    facts=(flow("SalesRevenueNet", *APPLE_2009, 42_905), flow("NetIncomeLoss", *APPLE_2009, 8_235)),
)


def test_5_an_amendment_can_change_everything() -> None:
    rows = resolved(APPLE_2009_ORIGINAL, APPLE_2009_AMENDED).values

    assert value(rows, "revenue", "CY2009") == 42_905 * MILLION
    assert value(rows, "net_income", "CY2009") == 8_235 * MILLION


def test_6_what_was_first_reported_does_not_know_what_came_later() -> None:
    rows = resolved(APPLE_2009_ORIGINAL, APPLE_2009_AMENDED).values

    first = next(row for row in rows if (row.metric, row.period, row.revision) == ("revenue", "CY2009", 0))

    assert (int(first.value), first.known_to) == (36_537 * MILLION, datetime(2010, 1, 26, 5, tzinfo=UTC))


def test_7_a_proxy_statement_rounds_and_does_not_count() -> None:
    year = ("2025-02-03", "2026-02-01")
    home_depot = [
        Filing(accession="0001628280-26-019436", filed="2026-03-18", facts=(flow("NetIncomeLoss", *year, 14_156),)),
        Filing(
            accession="0000354950-26-000090",
            filed="2026-04-07",
            form="DEF 14A",
            facts=(flow("NetIncomeLoss", *year, 14_160),),
        ),
    ]

    assert value(resolved(*home_depot).values, "net_income", "CY2025") == 14_156 * MILLION


@pytest.mark.parametrize(
    ("start", "end", "frame"),
    [
        ("2012-07-01", "2013-06-30", "CY2013"),
        ("2012-06-01", "2013-05-31", "CY2012"),
        ("2022-11-21", "2023-02-12", "CY2022Q4"),
        ("2019-02-18", "2019-05-12", "CY2019Q1"),
        (None, "2016-11-15", "CY2016Q4I"),
    ],
)
def test_8_frames_are_worked_out_from_the_dates(start: str | None, end: str, frame: str) -> None:
    first, last = date.fromisoformat(start) if start else None, date.fromisoformat(end)

    assert calendar_label(last, duration_days(first, last))[0] == frame


def test_9_a_later_filing_takes_no_label_from_an_earlier_period() -> None:
    before = Filing(
        accession="0000320193-19-000066",
        filed="2019-05-01",
        form="10-Q",
        facts=(flow(REVENUE, "2018-12-30", "2019-03-30", 58_015),),
    )
    after = Filing(
        accession="0000320193-20-000052",
        filed="2020-05-01",
        form="10-Q",
        facts=(
            flow(REVENUE, "2018-12-30", "2019-03-30", 58_015),
            flow(REVENUE, "2019-12-29", "2020-03-28", 58_313),
        ),
    )

    labels = {row.period for row in resolved(before, after).values if row.metric == "revenue"}

    assert labels == {"CY2019Q1", "CY2020Q1"}


def test_10_quarters_of_twelve_weeks_are_quarters() -> None:
    costco = Filing(
        accession="0000909832-25-000015",
        filed="2025-03-13",
        form="10-Q",
        facts=(
            flow("NetIncomeLoss", "2024-11-25", "2025-02-16", 1_788),
            flow("NetIncomeLoss", "2024-09-02", "2025-02-16", 3_586),
        ),
    )

    found = [row for row in resolved(costco).values if row.metric == "net_income"]

    assert {(row.period_type, int(row.value) // MILLION) for row in found} == {("quarterly", 1_788)}


APPLE_CASH_2019 = (
    Filing(
        accession="0000320193-19-000010",
        filed="2019-01-30",
        form="10-Q",
        facts=(flow(CASH_FLOW, "2018-09-30", "2018-12-29", 26_690),),
    ),
    Filing(
        accession="0000320193-19-000066",
        filed="2019-05-01",
        form="10-Q",
        facts=(flow(CASH_FLOW, "2018-09-30", "2019-03-30", 37_845),),
    ),
    Filing(
        accession="0000320193-19-000076",
        filed="2019-07-31",
        form="10-Q",
        facts=(flow(CASH_FLOW, "2018-09-30", "2019-06-29", 49_481),),
    ),
    Filing(
        accession="0000320193-19-000119",
        filed="2019-10-31",
        facts=(flow(CASH_FLOW, "2018-09-30", "2019-09-28", 69_391),),
    ),
)


def test_11_quarters_nobody_filed_are_differences_of_year_to_date_values() -> None:
    rows = resolved(*APPLE_CASH_2019).values

    assert {
        row.period: int(row.value) // MILLION
        for row in rows
        if row.metric == "operating_cash_flow" and row.period_type == "quarterly"
    } == {"CY2018Q4": 26_690, "CY2019Q1": 11_155, "CY2019Q2": 11_636, "CY2019Q3": 19_910}
    fourth = latest(rows, "operating_cash_flow", "CY2019Q3")
    assert fourth is not None
    assert fourth.flags == ("from_year_to_date",)
    assert [(source.sign, source.accession) for source in fourth.sources] == [
        (1, "0000320193-19-000119"),
        (-1, "0000320193-19-000076"),
    ]


def depreciation(start: str, end: str, *, total: int, part: int) -> tuple[ConceptFacts, ...]:
    return (
        flow("DepreciationDepletionAndAmortization", start, end, total),
        flow("DepreciationAndAmortization", start, end, part),
    )


def test_11_a_quarter_stated_in_part_gives_way_to_the_difference_of_totals() -> None:
    home_depot = [
        Filing(
            accession="0000354950-25-000165",
            filed="2025-05-28",
            form="10-Q",
            facts=depreciation("2025-02-03", "2025-05-04", total=855, part=796),
        ),
        Filing(
            accession="0000354950-25-000217",
            filed="2025-08-26",
            form="10-Q",
            facts=(
                *depreciation("2025-02-03", "2025-08-03", total=1_720, part=1_602),
                flow("DepreciationAndAmortization", "2025-05-05", "2025-08-03", 806),
            ),
        ),
    ]

    found = latest(resolved(*home_depot).values, "depreciation_amortization", "CY2025Q2")

    assert found is not None
    assert (int(found.value) // MILLION, found.flags) == (1_720 - 855, ("from_year_to_date",))


def test_11_a_stated_quarter_stays_where_the_totals_do_not_fit_it() -> None:
    total, part = "us-gaap:DepreciationAmortizationAndAccretionNet", "us-gaap:DepreciationDepletionAndAmortization"
    half_year, nine_months = ("2010-07-01", "2010-12-31"), ("2010-07-01", "2011-03-31")
    celadon = [
        # Half a year too small by half, which an amendment mends later.
        Filing(
            accession="0001008886-12-000019",
            filed="2012-02-06",
            form="10-Q",
            facts=(duration(total, *half_year, "15411000"), duration(part, *half_year, "14296000")),
        ),
        Filing(
            accession="0001008886-12-000071",
            filed="2012-05-10",
            form="10-Q",
            facts=(
                duration(total, *nine_months, "44409000"),
                duration(part, *nine_months, "43916000"),
                duration(part, "2011-01-01", "2011-03-31", "14713000"),
            ),
        ),
    ]

    assert value(resolved(*celadon).values, "depreciation_amortization", "CY2011Q1") == 14_713_000


def test_12_a_restated_year_is_not_reduced_by_the_original_nine_months() -> None:
    nine_months = Filing(
        accession="0001193125-09-153165",
        filed="2009-07-22",
        form="10-Q",
        facts=(flow("SalesRevenueNet", "2008-09-28", "2009-06-27", 26_667),),
    )
    restated_nine_months = Filing(
        accession="0001193125-10-162840",
        filed="2010-07-21",
        form="10-Q",
        facts=(
            flow("SalesRevenueNet", "2008-09-28", "2009-06-27", 30_698),
            flow("SalesRevenueNet", "2009-09-27", "2010-06-26", 44_882),
        ),
    )
    next_year = Filing(
        accession="0001193125-10-238044",
        filed="2010-10-27",
        facts=(
            flow("SalesRevenueNet", *APPLE_2009, 42_905),
            flow("SalesRevenueNet", "2009-09-27", "2010-09-25", 65_225),
        ),
    )

    rows = resolved(nine_months, APPLE_2009_ORIGINAL, APPLE_2009_AMENDED, restated_nine_months, next_year).values
    fourth = [row for row in rows if (row.metric, row.period) == ("revenue", "CY2009Q3")]

    # 36,537 - 26,667, and once both are known on the new basis 42,905 - 30,698: what the 10-K of 2010 itself states.
    assert [int(row.value) // MILLION for row in fourth] == [9_870, 12_207]
    assert 42_905 - 26_667 not in {int(row.value) // MILLION for row in fourth}


IBM_2020 = [
    flows("Revenues", "0001558370-20-011799", "2020-10-27", ("2020-01-01", "2020-09-30", 53_253)),
    flows("Revenues", "0001558370-21-001489", "2021-02-23", ("2020-01-01", "2020-12-31", 73_620), form="10-K"),
    flows(
        "Revenues",
        "0001558370-21-014734",
        "2021-11-05",
        ("2020-01-01", "2020-09-30", 53_253),
        ("2021-01-01", "2021-09-30", 54_093),
        ("2021-07-01", "2021-09-30", 17_618),
    ),
    flows(
        "Revenues",
        "0001558370-22-001584",
        "2022-02-22",
        ("2020-01-01", "2020-12-31", 55_179),
        ("2021-01-01", "2021-12-31", 57_350),
        form="10-K",
    ),
    flows(
        "Revenues",
        "0001558370-22-015322",
        "2022-10-25",
        ("2021-01-01", "2021-09-30", 40_656),
        ("2022-01-01", "2022-09-30", 43_840),
    ),
]
PFIZER_2019 = [
    flows(REVENUE, "0000078003-19-000082", "2019-11-07", ("2019-01-01", "2019-09-29", 39_062)),
    flows(REVENUE, "0000078003-20-000014", "2020-02-27", ("2019-01-01", "2019-12-31", 51_750), form="10-K"),
    flows(
        REVENUE,
        "0000078003-20-000070",
        "2020-11-05",
        ("2019-01-01", "2019-09-29", 39_062),
        ("2020-01-01", "2020-09-27", 35_961),
    ),
    flows(
        REVENUE,
        "0000078003-21-000038",
        "2021-02-25",
        ("2019-01-01", "2019-12-31", 41_172),
        ("2020-01-01", "2020-12-31", 41_908),
        form="10-K",
    ),
]
HONEYWELL_2024 = [
    flows("OperatingIncomeLoss", "0000773840-24-000099", "2024-10-24", ("2024-01-01", "2024-09-30", 6_589)),
    flows(
        "OperatingIncomeLoss", "0000773840-25-000010", "2025-02-14", ("2024-01-01", "2024-12-31", 8_699), form="10-K"
    ),
    flows(
        "OperatingIncomeLoss",
        "0000773840-25-000105",
        "2025-10-23",
        ("2024-01-01", "2024-09-30", 6_589),
        ("2025-01-01", "2025-09-30", 7_031),
    ),
    flows(
        "OperatingIncomeLoss",
        "0000773840-26-000013",
        "2026-02-17",
        ("2024-01-01", "2024-12-31", 7_667),
        ("2025-01-01", "2025-12-31", 8_127),
        form="10-K",
    ),
]
UBER_2020 = [
    flows("Revenues", "0001628280-20-015936", "2020-11-06", ("2020-01-01", "2020-09-30", 8_913)),
    flows("Revenues", "0001543151-21-000014", "2021-03-01", ("2020-01-01", "2020-12-31", 11_139), form="10-K"),
    flows(
        "Revenues",
        "0001543151-21-000047",
        "2021-11-09",
        ("2020-01-01", "2020-09-30", 7_974),
        ("2021-01-01", "2021-09-30", 11_677),
    ),
    flows(
        "Revenues",
        "0001543151-22-000008",
        "2022-02-24",
        ("2020-01-01", "2020-12-31", 11_139),
        ("2021-01-01", "2021-12-31", 17_455),
        form="10-K",
    ),
]


@pytest.mark.parametrize(
    ("filings", "metric", "period", "millions"),
    [
        pytest.param(IBM_2020, "revenue", "CY2020Q4", 73_620 - 53_253, id="IBM before it parted with Kyndryl"),
        pytest.param(PFIZER_2019, "revenue", "CY2019Q4", 51_750 - 39_062, id="Pfizer before it parted with Upjohn"),
        pytest.param(HONEYWELL_2024, "operating_income", "CY2024Q4", 8_699 - 6_589, id="Honeywell before Solstice"),
    ],
)
def test_12_a_recast_year_is_not_reduced_by_nine_months_last_repeated_before(
    filings: list[Filing], metric: str, period: str, millions: int
) -> None:
    found = [row for row in resolved(*filings).values if (row.metric, row.period) == (metric, period)]

    assert [int(row.value) // MILLION for row in found] == [millions]


def test_12_recast_nine_months_go_with_a_year_that_was_stated_again_since() -> None:
    fourth = [row for row in resolved(*UBER_2020).values if (row.metric, row.period) == ("revenue", "CY2020Q4")]

    assert [int(row.value) // MILLION for row in fourth] == [11_139 - 8_913, 11_139 - 7_974]


def test_12_a_year_shown_in_billions_in_between_was_not_recast() -> None:
    ibm = [
        flows("Revenues", "0001558370-19-009324", "2019-10-31", ("2019-01-01", "2019-09-30", 55_370)),
        flows("Revenues", "0001558370-20-001334", "2020-02-25", ("2019-01-01", "2019-12-31", 77_147), form="10-K"),
        flows(
            "Revenues",
            "0001558370-20-011799",
            "2020-10-27",
            ("2019-01-01", "2019-09-30", 55_370),
            ("2019-01-01", "2019-12-31", 77_000),
            ("2020-01-01", "2020-09-30", 53_253),
            ("2020-07-01", "2020-09-30", 17_560),
        ),
        flows(
            "Revenues",
            "0001558370-21-001489",
            "2021-02-23",
            ("2019-01-01", "2019-12-31", 77_147),
            ("2020-01-01", "2020-12-31", 73_620),
            form="10-K",
        ),
    ]

    assert value(resolved(*ibm).values, "revenue", "CY2020Q3TTM") == (77_147 + 53_253 - 55_370) * MILLION


def test_13_a_year_reported_under_a_new_concept_is_the_same_revenue() -> None:
    year = ("2017-10-01", "2018-09-29")
    apple = [
        Filing(accession="0000320193-18-000145", filed="2018-11-05", facts=(flow("Revenues", *year, 265_595),)),
        Filing(accession="0000320193-19-000119", filed="2019-10-31", facts=(flow(REVENUE, *year, 265_595),)),
    ]

    rows = [row for row in resolved(*apple).values if (row.metric, row.period) == ("revenue", "CY2018")]

    assert [(int(row.value) // MILLION, row.accession) for row in rows] == [(265_595, "0000320193-18-000145")]


def test_14_a_slice_under_a_plausible_concept_is_not_the_total() -> None:
    year = ("2012-07-01", "2013-06-30")
    procter_and_gamble = Filing(
        accession="0000080424-14-000057",
        filed="2014-08-08",
        facts=(flow("Revenues", *year, 29_200), flow("SalesRevenueNet", *year, 82_581)),
    )

    assert value(resolved(procter_and_gamble).values, "revenue", "CY2013") == 82_581 * MILLION


def test_14_contract_revenue_before_rebates_is_not_the_total() -> None:
    year = ("2018-01-01", "2018-12-31")
    mastercard = Filing(
        accession="0001141391-19-000013",
        filed="2019-02-13",
        facts=(flow("Revenues", *year, 14_950), flow(REVENUE, *year, 21_831)),
    )

    assert value(resolved(mastercard).values, "revenue", "CY2018") == 14_950 * MILLION


def test_14_contract_revenue_is_the_total_where_revenues_are_nothing() -> None:
    year = ("2018-01-01", "2018-12-31")
    filing = Filing(
        accession="0001000000-19-000001",
        filed="2019-02-13",
        facts=(flow("Revenues", *year, 0), flow(REVENUE, *year, 21_831)),
    )

    assert value(resolved(filing).values, "revenue", "CY2018") == 21_831 * MILLION


def test_14_twelve_months_are_not_made_of_gross_revenue_where_net_is_known() -> None:
    first_half_2018 = Filing(
        accession="0001141391-18-000111",
        filed="2018-07-26",
        form="10-Q",
        facts=(
            flow("SalesRevenueNet", "2018-01-01", "2018-06-30", 7_245),
            flow(REVENUE, "2018-01-01", "2018-06-30", 10_420),
        ),
    )
    year_2018 = Filing(
        accession="0001141391-19-000013",
        filed="2019-02-13",
        facts=(
            flow("Revenues", "2018-01-01", "2018-12-31", 14_950),
            flow(REVENUE, "2018-01-01", "2018-12-31", 21_831),
            flow("Revenues", "2018-07-01", "2018-09-30", 3_898),
            flow("Revenues", "2018-10-01", "2018-12-31", 3_807),
        ),
    )
    first_half_2019 = Filing(
        accession="0001141391-19-000128",
        filed="2019-07-30",
        form="10-Q",
        facts=(
            flow("Revenues", "2019-01-01", "2019-06-30", 8_002),
            flow(REVENUE, "2019-01-01", "2019-06-30", 11_701),
            flow("Revenues", "2018-01-01", "2018-06-30", 7_245),
            flow(REVENUE, "2018-01-01", "2018-06-30", 10_420),
            flow("Revenues", "2019-01-01", "2019-03-31", 3_889),
            flow("Revenues", "2019-04-01", "2019-06-30", 4_113),
        ),
    )

    found = latest(resolved(first_half_2018, year_2018, first_half_2019).values, "revenue", "CY2019Q2TTM")

    assert found is not None
    assert (int(found.value) // MILLION, found.flags) == (3_898 + 3_807 + 3_889 + 4_113, ("from_quarters",))


def test_14_depreciation_in_one_line_of_costs_is_not_the_total() -> None:
    mcdonalds = Filing(
        accession="0000063908-25-000012",
        filed="2025-02-25",
        facts=(
            flow("DepreciationDepletionAndAmortization", "2024-01-01", "2024-12-31", 447),
            flow("DepreciationAndAmortization", "2024-01-01", "2024-12-31", 2_097),
        ),
    )

    assert value(resolved(mcdonalds).values, "depreciation_amortization", "CY2024") == 2_097 * MILLION


def test_15_net_income_is_the_parents() -> None:
    year = ("2021-08-30", "2022-08-28")
    costco = Filing(
        accession="0000909832-22-000021",
        filed="2022-10-05",
        facts=(flow("NetIncomeLoss", *year, 5_844), flow("ProfitLoss", *year, 5_915)),
    )

    rows = resolved(costco).values

    assert value(rows, "net_income", "CY2022") == 5_844 * MILLION
    assert value(rows, "net_income_incl_nci", "CY2022") == 5_915 * MILLION


def test_16_a_total_nobody_tagged_is_derived_and_says_so() -> None:
    kimberly_clark = Filing(
        accession="0000055785-20-000016",
        filed="2020-02-13",
        facts=(
            balance("LiabilitiesAndStockholdersEquity", "2019-12-31", 15_283),
            balance("StockholdersEquityIncludingPortionAttributableToNoncontrollingInterest", "2019-12-31", 194),
        ),
    )

    found = latest(resolved(kimberly_clark).values, "liabilities", "CY2019Q4I")

    assert found is not None
    assert (int(found.value) // MILLION, found.flags, found.concept) == (15_089, ("derived",), None)


def test_17_shares_of_a_company_with_several_classes_come_from_the_balance_sheet() -> None:
    shares = instant("us-gaap:CommonStockSharesOutstanding", "2023-12-31", "12460000000", unit="shares")
    alphabet = Filing(accession="0001652044-24-000022", filed="2024-01-31", facts=(shares,))

    assert value(resolved(alphabet).values, "shares_outstanding", "CY2023Q4I") == 12_460 * MILLION


def test_17_shares_in_the_treasury_are_not_outstanding() -> None:
    texas_instruments = Filing(
        accession="0000097476-26-000059",
        filed="2026-02-06",
        facts=(
            instant("us-gaap:CommonStockSharesIssued", "2025-12-31", "1741000000", unit="shares"),
            instant("us-gaap:TreasuryStockCommonShares", "2025-12-31", "834000000", unit="shares"),
            instant("dei:EntityCommonStockSharesOutstanding", "2026-01-27", "907550774", unit="shares"),
            balance("StockholdersEquity", "2025-12-31", 16_273),
        ),
    )

    rows = resolved(texas_instruments).values
    counts = [(row.period_end, int(row.value), row.flags) for row in rows if row.metric == "shares_outstanding"]

    assert sorted(counts) == [
        (date(2025, 12, 31), 907 * MILLION, ("derived",)),
        (date(2026, 1, 27), 907_550_774, ()),
    ]
    assert round(value(rows, "book_value_per_share", "CY2025Q4I") or 0, 2) == Decimal("17.94")


def test_17_shares_issued_are_no_count_where_those_in_the_treasury_are_not_told() -> None:
    aflac = Filing(
        accession="0000950123-09-032199",
        filed="2009-08-07",
        form="10-Q",
        facts=(instant("us-gaap:CommonStockSharesIssued", "2009-06-30", "660487000", unit="shares"),),
    )

    rows = resolved(aflac).values

    assert value(rows, "shares_outstanding", "CY2009Q2I") is None
    assert value(rows, "shares_issued", "CY2009Q2I") == 660_487_000


def weighted_shares(accession: str, filed: str, *facts: tuple[str, str, int]) -> Filing:
    concept = "us-gaap:WeightedAverageNumberOfDilutedSharesOutstanding"
    return Filing(
        accession=accession,
        filed=filed,
        facts=tuple(duration(concept, start, end, str(count), unit="shares") for start, end, count in facts),
    )


def test_18_splits_show_in_restated_share_counts() -> None:
    year_2012, year_2018 = ("2011-09-25", "2012-09-29"), ("2017-10-01", "2018-09-29")
    apple = [
        weighted_shares("0001193125-12-444068", "2012-10-31", (*year_2012, 945_355_000)),
        weighted_shares("0001193125-13-416534", "2013-10-30", (*year_2012, 945_355_000)),
        weighted_shares("0001193125-14-383437", "2014-10-27", (*year_2012, 6_617_483_000)),
        weighted_shares("0000320193-18-000145", "2018-11-05", (*year_2018, 5_000_109_000)),
        weighted_shares("0000320193-20-000096", "2020-10-30", (*year_2018, 20_000_435_000)),
    ]

    splits = find_splits(copies(*apple))

    assert [(int(split.ratio), split.accession) for split in splits] == [
        (7, "0001193125-14-383437"),
        (4, "0000320193-20-000096"),
    ]


YEAR_TO_JUNE_2019, YEAR_TO_JUNE_2020 = ("2018-09-30", "2019-06-29"), ("2019-09-29", "2020-06-27")
APPLE_DIVIDENDS = [
    dividends("0000320193-19-000076", "2019-07-31", "10-Q", (*YEAR_TO_JUNE_2019, "2.23")),
    dividends("0000320193-19-000119", "2019-10-31", "10-K", ("2018-09-30", "2019-09-28", "3")),
    dividends("0000320193-20-000062", "2020-07-31", "10-Q", (*YEAR_TO_JUNE_2019, "2.23"), (*YEAR_TO_JUNE_2020, "2.36")),
    dividends(
        "0000320193-20-000096",
        "2020-10-30",
        "10-K",
        ("2018-09-30", "2019-09-28", "0.75"),
        ("2019-09-29", "2020-09-26", "0.795"),
    ),
    dividends("0000320193-21-000065", "2021-07-28", "10-Q", (*YEAR_TO_JUNE_2020, "0.59")),
    dividends("0000320193-21-000105", "2021-10-29", "10-K", ("2019-09-29", "2020-09-26", "0.795")),
]


@pytest.mark.parametrize(
    ("period", "amount", "known_on"), [("CY2019Q3", "0.77", "2019-11-01"), ("CY2020Q3", "0.205", "2021-10-30")]
)
def test_18_dividends_after_a_split_are_not_reduced_by_those_before(period: str, amount: str, known_on: str) -> None:
    rows = [
        row for row in resolved(*APPLE_DIVIDENDS).values if (row.metric, row.period) == ("dividends_per_share", period)
    ]

    assert [(row.value, row.known_from.date()) for row in rows] == [(Decimal(amount), date.fromisoformat(known_on))]


def share_counts(accession: str, filed: str, *, weighted: int | None = None, **outstanding: int) -> Filing:
    """Shares outstanding at days written as `on_2021_12_31`, and the weighted ones of 2023."""
    facts = [
        instant("us-gaap:CommonStockSharesOutstanding", day[3:].replace("_", "-"), str(count), unit="shares")
        for day, count in outstanding.items()
    ]
    if weighted is not None:
        facts.extend(weighted_shares(accession, filed, ("2023-01-01", "2023-12-31", weighted)).facts)
    return Filing(accession=accession, filed=filed, facts=tuple(facts))


def test_18_splits_show_in_restated_counts_of_a_balance_sheet_where_weighted_shares_are_untagged() -> None:
    alphabet = [
        share_counts("0001652044-22-000019", "2022-02-02", on_2021_12_31=662_121_000),
        share_counts("0001652044-22-000029", "2022-04-27", on_2021_12_31=662_121_000, on_2022_03_31=658_763_000),
        share_counts("0001652044-22-000071", "2022-07-27", on_2021_12_31=13_242_000_000, on_2022_06_30=13_078_000_000),
    ]
    # 1 for 15, then 50, then 200; the weighted shares of 2023 were stated before the first and after the second only.
    sunation = [
        share_counts("0000022701-24-000002", "2024-04-01", weighted=10_035_970, on_2023_12_31=10_246_605),
        share_counts("0000022701-24-000004", "2024-05-10", on_2023_12_31=10_246_605),
        share_counts("0000022701-24-000006", "2024-08-19", on_2023_12_31=683_107),
        share_counts("0000022701-24-000008", "2024-11-14", on_2023_12_31=13_663),
        share_counts("0000022701-25-000002", "2025-04-15", weighted=13_298, on_2024_12_31=1_868_638),
        share_counts("0000022701-25-000005", "2025-05-15", on_2024_12_31=9_343),
    ]

    def shown(filings: list[Filing]) -> list[tuple[str, Fraction]]:
        found = find_splits(copies(*filings))
        return [(split.accession, Fraction(split.ratio).limit_denominator(1000)) for split in found]

    assert shown(alphabet) == [("0001652044-22-000071", Fraction(20))]
    assert shown(sunation) == [
        ("0000022701-24-000006", Fraction(1, 15)),
        ("0000022701-24-000008", Fraction(1, 50)),
        ("0000022701-25-000005", Fraction(1, 200)),
    ]


def test_18_filings_before_the_one_that_shows_a_split_may_count_its_shares_already() -> None:
    # 3 for 1 in September 2022. The two 10-Qs between state no period again that was stated before.
    palo_alto = [
        weighted_shares("0001327567-22-000016", "2022-05-20", ("2022-02-01", "2022-04-30", 98_900_000)),
        weighted_shares("0001327567-22-000028", "2022-09-06", ("2021-08-01", "2022-07-31", 98_500_000)),
        weighted_shares(
            "0001327567-22-000038",
            "2022-11-18",
            ("2021-08-01", "2021-10-31", 292_900_000),
            ("2022-08-01", "2022-10-31", 338_400_000),
        ),
        weighted_shares(
            "0001327567-23-000006",
            "2023-02-22",
            ("2021-11-01", "2022-01-31", 294_500_000),
            ("2022-11-01", "2023-01-31", 331_600_000),
        ),
        weighted_shares(
            "0001327567-23-000014",
            "2023-05-24",
            ("2022-02-01", "2022-04-30", 296_700_000),
            ("2023-02-01", "2023-04-30", 344_700_000),
        ),
        weighted_shares("0001327567-23-000024", "2023-09-01", ("2021-08-01", "2022-07-31", 295_600_000)),
    ]

    (split,) = find_splits(copies(*palo_alto))

    assert (int(split.ratio), split.accession) == (3, "0001327567-23-000014")
    assert split.filed_from.date() == date(2022, 11, 19)  # until midnight in New York the day's filings are not known
    assert split.known_from.date() == date(2023, 5, 25)


def test_19_a_thousand_or_a_million_too_small_is_outvoted_and_flagged() -> None:
    def cash(accession: str, filed: str, value: str, form: str = "10-Q") -> Filing:
        facts = (instant("us-gaap:Assets", "2009-12-31", value),)
        return Filing(accession=accession, filed=filed, form=form, facts=facts)

    kimberly_clark = [
        cash("0001193125-10-038621", "2010-02-24", "19209000000", "10-K"),
        cash("0000055785-10-000019", "2010-05-07", "19209"),
        cash("0001193125-10-182676", "2010-08-09", "19209000000"),
    ]

    found = resolved(*kimberly_clark).values
    between = next(row for row in found if row.metric == "total_assets" and row.revision == 0)

    assert value(found, "total_assets", "CY2009Q4I") == 19_209 * MILLION
    assert "scale_conflict" in latest_flags(found, "total_assets", "CY2009Q4I")
    assert between.accession == "0001193125-10-038621"


def latest_flags(rows: Iterable[MetricVersion], metric: str, period: str) -> tuple[str, ...]:
    found = latest(rows, metric, period)
    assert found is not None
    return found.flags


def test_19_an_operand_a_million_too_small_is_passed_over() -> None:
    def cash_flow(accession: str, filed: str, form: str, end: str, value: str) -> Filing:
        facts = (duration(f"us-gaap:{CASH_FLOW}", "2009-01-01", end, value),)
        return Filing(accession=accession, filed=filed, form=form, facts=facts)

    kimberly_clark = [
        cash_flow("0000055785-09-000026", "2009-08-07", "10-Q", "2009-06-30", "1689000000"),
        cash_flow("0000055785-10-000019", "2010-05-07", "10-Q", "2009-03-31", "692"),
        cash_flow("0000055785-10-000026", "2010-05-14", "10-Q/A", "2009-03-31", "692000000"),
    ]

    found = latest(resolved(*kimberly_clark).values, "operating_cash_flow", "CY2009Q2")

    assert found is not None
    assert (int(found.value) // MILLION, found.flags) == (997, ("from_year_to_date", "scale_conflict", "restated"))


def test_19_a_slip_among_older_copies_does_not_touch_the_newest() -> None:
    def outstanding(accession: str, filed: str, count: str) -> Filing:
        facts = (instant("us-gaap:CommonStockSharesOutstanding", "2013-09-28", count, unit="shares"),)
        return Filing(accession=accession, filed=filed, form="10-Q", facts=facts)

    apple = [
        outstanding("0001193125-13-416534", "2013-10-30", "899213000"),
        outstanding("0001193125-14-024487", "2014-01-28", "899213000"),
        outstanding("0001193125-14-157311", "2014-04-24", "899213"),
        outstanding("0001193125-14-277160", "2014-07-23", "6294494000"),
    ]

    found = latest(resolved(*apple).values, "shares_outstanding", "CY2013Q3I")

    assert found is not None
    assert (int(found.value), found.flags) == (6_294_494_000, ("restated",))


def test_20_a_sign_turned_round_once_is_outvoted_and_flagged() -> None:
    def equity(accession: str, filed: str, value: int) -> Filing:
        facts = (instant("us-gaap:StockholdersEquity", "2018-03-31", str(value)),)
        return Filing(accession=accession, filed=filed, form="10-Q", facts=facts)

    mcdonalds = [
        equity("0000063908-18-000025", "2018-05-08", -4_718_800_000),
        equity("0000063908-19-000039", "2019-05-08", -4_718_800_000),
        equity("0000063908-19-000062", "2019-08-06", 4_718_800_000),
    ]

    found = latest(resolved(*mcdonalds).values, "equity", "CY2018Q1I")

    assert found is not None
    assert found.value == -4_718_800_000


def test_21_a_count_of_restaurants_feeds_no_metric() -> None:
    restaurants = instant("us-gaap:NumberOfRestaurants", "2023-12-31", "41822", unit="Restaurant")
    mcdonalds = Filing(accession="0000063908-24-000072", filed="2024-02-22", facts=(restaurants,))

    assert copies(mcdonalds) == []


def test_22_a_period_that_ends_after_the_filing_day_is_not_the_filings_own() -> None:
    event = FilingReported(
        cik=1,
        accession="0000320193-19-000119",
        form="10-K",
        filed_on=date(2019, 10, 31),
        accepted_at=None,
        source="companyfacts",
        facts=(
            flow("NetIncomeLoss", "2018-09-30", "2019-09-28", 55_256),
            flow("PaymentsForRepurchaseOfCommonStock", "2019-09-29", "2020-09-26", 1),
        ),
    )

    assert period_ends(event) == (date(2019, 9, 28), date(2019, 9, 28))


def test_22_what_is_said_of_a_day_to_come_is_no_figure_of_that_day() -> None:
    celadon = [
        Filing(
            accession="0001008886-12-000126",
            filed="2012-11-05",
            form="10-Q",
            facts=(
                instant("us-gaap:LongTermDebtNoncurrent", "2012-09-30", "28590000"),
                instant("us-gaap:LongTermDebtNoncurrent", "2012-12-31", "199009000"),
            ),
        ),
        Filing(
            accession="0001008886-13-000015",
            filed="2013-02-07",
            form="10-Q",
            facts=(instant("us-gaap:LongTermDebtNoncurrent", "2012-12-31", "29345000"),),
        ),
    ]

    rows = [row for row in resolved(*celadon, sic="4213").values if row.metric == "long_term_debt"]

    assert [(row.period, int(row.value), row.accession, row.flags) for row in rows] == [
        ("CY2012Q3I", 28_590_000, "0001008886-12-000126", ()),
        ("CY2012Q4I", 29_345_000, "0001008886-13-000015", ()),
    ]


PUBLIC_FLOAT = instant("dei:EntityPublicFloat", "2011-08-01", "5033591950")
SHARES_OUTSTANDING = "dei:EntityCommonStockSharesOutstanding"


@pytest.mark.parametrize(
    ("accession", "filed", "source", "fact", "counts"),
    [
        # The public float of the year before under the date of the next, and a dividend of the quarter to come.
        ("0001045810-11-000031", "2011-05-27", "companyfacts", PUBLIC_FLOAT, False),
        (
            "0001045810-13-000109",
            "2013-11-19",
            "companyfacts",
            duration(DIVIDENDS, "2013-10-28", "2014-01-26", "0.085", unit="USD/shares"),
            False,
        ),
        # A cover page counts the shares of its own day.
        (
            "0001104659-19-016327",
            "2019-03-20",
            "companyfacts",
            instant(SHARES_OUTSTANDING, "2019-03-20", "29640000", unit="shares"),
            True,
        ),
        # Days before the filing, which data sets round to the end of their month.
        (
            "0001047469-09-007036",
            "2009-07-30",
            "fsds",
            instant(SHARES_OUTSTANDING, "2009-07-31", "474105809", unit="shares"),
            True,
        ),
        (
            "0001104659-10-021504",
            "2010-04-23",
            "fsds",
            instant(SHARES_OUTSTANDING, "2010-04-30", "495339156", unit="shares"),
            True,
        ),
        (
            "0001104659-10-021504",
            "2010-04-23",
            "companyfacts",
            instant(SHARES_OUTSTANDING, "2010-04-30", "495339156", unit="shares"),
            False,
        ),
        (
            "0001104659-10-021504",
            "2010-04-23",
            "fsds",
            instant(SHARES_OUTSTANDING, "2010-05-31", "495339156", unit="shares"),
            False,
        ),
    ],
)
def test_22_a_day_has_come_if_it_is_not_after_the_filings_as_its_source_shows_days(
    accession: str, filed: str, source: str, fact: ConceptFacts, counts: bool
) -> None:
    filing = Filing(accession=accession, filed=filed, form="10-Q", source=source, facts=(fact,))

    assert bool(copies(filing)) is counts


def test_23_what_a_filing_calls_its_period_is_not_even_recorded() -> None:
    fields = {*FilingReported.__struct_fields__, *Copy.__struct_fields__}

    assert fields.isdisjoint({"fy", "fp", "frame", "fiscal_year", "fiscal_period"})


def test_24_a_filing_is_known_when_it_was_accepted_not_on_its_filing_day() -> None:
    accepted = datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)
    apple = Filing(
        accession="0000320193-23-000106",
        filed="2023-11-03",
        accepted_at=accepted,
        facts=(flow(REVENUE, "2022-09-25", "2023-09-30", 383_285),),
    )

    found = latest(resolved(apple).values, "revenue", "CY2023")

    assert found is not None
    assert found.known_from == accepted


def test_25_names_are_shown_without_their_odd_characters() -> None:
    assert display_name("McDONALD’S CORPORATION") == "McDONALD'S CORPORATION"
    assert display_name("HOME DEPOT,\u00a0INC.") == "HOME DEPOT, INC."


def test_26_an_ifrs_filer_keeps_its_currency() -> None:
    # Shape as filed on 20-F; no IFRS filer is among the files at hand.
    filer = Filing(
        accession="0001000000-24-000001",
        filed="2024-03-01",
        form="20-F",
        facts=(
            duration("ifrs-full:Revenue", "2023-01-01", "2023-12-31", "1000", unit="EUR"),
            duration("ifrs-full:ProfitLossAttributableToOwnersOfParent", "2023-01-01", "2023-12-31", "100", unit="EUR"),
        ),
    )

    rows = resolved(filer).values

    revenue, margin = latest(rows, "revenue", "CY2023"), latest(rows, "net_margin", "CY2023")
    assert revenue is not None
    assert margin is not None
    assert (revenue.unit, margin.unit, margin.value) == ("EUR", "pure", Decimal("0.1"))


def test_27_values_are_exact_decimals() -> None:
    earnings = duration("us-gaap:EarningsPerShareDiluted", "2011-09-25", "2012-09-29", "44.15", unit="USD/shares")
    apple = Filing(accession="0001193125-12-444068", filed="2012-10-31", facts=(earnings,))

    assert value(resolved(apple).values, "eps_diluted", "CY2012") == Decimal("44.15")


class TestTwelveMonths:
    def test_are_the_year_plus_this_year_to_date_less_last_year_to_the_same_date(self) -> None:
        last_year = Filing(
            accession="0000320193-24-000123",
            filed="2024-11-01",
            facts=(flow("NetIncomeLoss", "2023-10-01", "2024-09-28", 93_736),),
        )
        first_quarter_before = Filing(
            accession="0000320193-24-000006",
            filed="2024-02-02",
            form="10-Q",
            facts=(flow("NetIncomeLoss", "2023-10-01", "2023-12-30", 33_916),),
        )
        first_quarter = Filing(
            accession="0000320193-25-000008",
            filed="2025-01-31",
            form="10-Q",
            facts=(
                flow("NetIncomeLoss", "2024-09-29", "2024-12-28", 36_330),
                flow("NetIncomeLoss", "2023-10-01", "2023-12-30", 33_916),
            ),
        )

        rows = resolved(last_year, first_quarter_before, first_quarter).values

        assert value(rows, "net_income", "CY2024Q4TTM") == (93_736 + 36_330 - 33_916) * MILLION
        assert value(rows, "net_income", "CY2024Q3TTM") == 93_736 * MILLION

    def test_are_not_made_of_this_year_recast_and_last_year_as_it_was(self) -> None:
        found = [row for row in resolved(*IBM_2020).values if (row.metric, row.period) == ("revenue", "CY2021Q3TTM")]

        assert [int(row.value) // MILLION for row in found] == [73_620 + 54_093 - 53_253]

    def test_take_away_what_the_first_report_of_this_year_said_of_the_last(self) -> None:
        half_2022, half_2023 = ("2021-12-26", "2022-07-02"), ("2023-01-01", "2023-07-01")
        year, quarter = ("2021-12-26", "2022-12-31"), ("2023-04-02", "2023-07-01")
        intel = [
            flows(REVENUE, "0000050863-22-000030", "2022-07-29", (*half_2022, 33_674)),
            flows(REVENUE, "0000050863-23-000006", "2023-01-27", (*year, 63_054), form="10-K"),
            flows(
                REVENUE,
                "0000050863-23-000069",
                "2023-07-28",
                (*half_2022, 33_674),
                (*half_2023, 24_664),
                (*quarter, 12_949),
            ),
            flows(
                REVENUE,
                "0000050863-24-000010",
                "2024-01-26",
                (*year, 63_054),
                ("2023-01-01", "2023-12-30", 54_228),
                form="10-K",
            ),
            # The half year of 2023 once more, under the dates of 2022.
            flows(
                REVENUE,
                "0000050863-24-000124",
                "2024-08-02",
                (*half_2022, 24_664),
                (*half_2023, 24_664),
                ("2023-12-31", "2024-06-29", 25_557),
            ),
            flows(
                REVENUE,
                "0000050863-25-000009",
                "2025-01-31",
                (*year, 63_054),
                ("2023-12-31", "2024-12-28", 53_101),
                form="10-K",
            ),
        ]

        found = [row for row in resolved(*intel).values if (row.metric, row.period) == ("revenue", "CY2023Q2TTM")]

        assert [int(row.value) // MILLION for row in found] == [63_054 + 24_664 - 33_674]

    def test_stay_where_a_filing_in_between_gave_a_quarter_under_the_dates_of_this_half_year(self) -> None:
        half_2016, half_2017 = ("2016-02-01", "2016-07-31"), ("2017-01-30", "2017-07-30")
        year, quarter = ("2016-02-01", "2017-01-29"), ("2017-05-01", "2017-07-30")
        nvidia = [
            flows("Revenues", "0001045810-16-000300", "2016-08-23", (*half_2016, 2_733)),
            flows("Revenues", "0001045810-17-000027", "2017-03-01", (*year, 6_910), form="10-K"),
            flows(
                "Revenues",
                "0001045810-17-000123",
                "2017-08-23",
                (*half_2016, 2_733),
                (*half_2017, 4_167),
                (*quarter, 2_230),
            ),
            flows("Revenues", "0001045810-18-000010", "2018-02-28", (*year, 6_910), (*half_2017, 2_230), form="10-K"),
            flows("Revenues", "0001045810-18-000114", "2018-08-16", (*half_2017, 4_167), (*quarter, 2_230)),
        ]

        assert value(resolved(*nvidia).values, "revenue", "CY2017Q2TTM") == (6_910 + 4_167 - 2_733) * MILLION

    def test_are_not_made_with_a_quarter_under_the_dates_of_the_half_year(self) -> None:
        half_2017, half_2018 = ("2017-01-30", "2017-07-30"), ("2018-01-29", "2018-07-29")
        nvidia = [
            flows("Revenues", "0001045810-17-000123", "2017-08-23", (*half_2017, 4_167)),
            flows(
                "Revenues",
                "0001045810-18-000010",
                "2018-02-28",
                ("2017-01-30", "2018-01-28", 9_714),
                (*half_2017, 2_230),
                form="10-K",
            ),
            flows(
                "Revenues",
                "0001045810-18-000114",
                "2018-08-16",
                (*half_2017, 4_167),
                (*half_2018, 6_330),
                ("2018-04-30", "2018-07-29", 3_123),
            ),
            flows(
                "Revenues",
                "0001045810-19-000144",
                "2019-08-15",
                (*half_2018, 6_330),
                ("2019-01-28", "2019-07-28", 4_799),
            ),
        ]

        found = [row for row in resolved(*nvidia).values if (row.metric, row.period) == ("revenue", "CY2018Q2TTM")]

        # 11,877 in truth; without the four quarters there is no figure rather than 9,714 + 6,330 - 2,230.
        assert found == []

    @pytest.mark.parametrize("turned", [False, True])
    def test_are_of_two_years_as_near_to_365_days_the_longer_in_whatever_order_they_come(self, turned: bool) -> None:
        facts = (
            flow("NetIncomeLoss", "2022-12-31", "2023-12-31", 366),
            flow("NetIncomeLoss", "2023-01-02", "2023-12-31", 364),
        )
        filing = Filing(accession="0001000000-24-000001", filed="2024-02-01", facts=facts[::-1] if turned else facts)

        rows = resolved(filing).values

        assert value(rows, "net_income", "CY2023Q4TTM") == 366 * MILLION

    def test_begin_when_a_quarter_or_year_that_ends_with_them_is_known(self) -> None:
        def half_year(accession: str, filed: str, *facts: ConceptFacts) -> Filing:
            return Filing(accession=accession, filed=filed, form="6-K", facts=facts)

        year = Filing(
            accession="0001000000-24-000001",
            filed="2024-02-01",
            facts=(flow("NetIncomeLoss", "2023-01-01", "2023-12-31", 100),),
        )
        first = half_year("0001000000-23-000001", "2023-08-01", flow("NetIncomeLoss", "2023-01-01", "2023-06-30", 40))
        second = half_year("0001000000-24-000002", "2024-08-01", flow("NetIncomeLoss", "2024-01-01", "2024-06-30", 60))
        quarter = half_year("0001000000-25-000001", "2025-08-01", flow("Revenues", "2024-04-01", "2024-06-30", 500))

        before = latest(resolved(year, first, second).values, "net_income", "CY2024Q2TTM")
        after = latest(resolved(year, first, second, quarter).values, "net_income", "CY2024Q2TTM")

        assert before is None
        assert after is not None
        assert (int(after.value) // MILLION, after.known_from.date()) == (120, date(2025, 8, 2))

    def test_are_not_made_where_the_comparative_was_recast(self) -> None:
        def income(accession: str, filed: str, form: str, *spans: tuple[str, str, int]) -> Filing:
            facts = tuple(flow("NetIncomeLoss", *span) for span in spans)
            return Filing(accession=accession, filed=filed, form=form, facts=facts)

        last_year = income("0001000000-24-000001", "2024-02-01", "10-K", ("2023-01-01", "2023-12-31", 100))
        before = income("0001000000-23-000001", "2023-05-01", "10-Q", ("2023-01-01", "2023-03-31", 20))
        recast = income(
            "0001000000-24-000002",
            "2024-05-01",
            "10-Q",
            ("2024-01-01", "2024-03-31", 30),
            ("2023-01-01", "2023-03-31", 15),
        )

        rows = resolved(last_year, before, recast).values

        assert latest(rows, "net_income", "CY2024Q1TTM") is None


def test_pretax_income_made_of_net_income_leaves_discontinued_operations_out() -> None:
    year = ("2008-07-01", "2009-06-30")
    procter_and_gamble = Filing(
        accession="0001193125-10-188769",
        filed="2010-08-13",
        facts=(
            flow("NetIncomeLoss", *year, 13_436),
            flow("IncomeTaxExpenseBenefit", *year, 3_733),
            flow("IncomeLossFromDiscontinuedOperationsNetOfTax", *year, 2_756),
        ),
    )

    assert value(resolved(procter_and_gamble).values, "pretax_income", "CY2009") == 14_413 * MILLION


class TestChecks:
    def test_a_balance_that_does_not_balance_is_flagged_with_both_sides(self) -> None:
        filing = Filing(
            accession="0001000000-24-000001",
            filed="2024-02-01",
            facts=(
                balance("Assets", "2023-12-31", 100),
                balance("LiabilitiesAndStockholdersEquity", "2023-12-31", 90),
            ),
        )

        found = resolved(filing)

        (check,) = found.checks
        assert (check.check_name, int(check.stated), int(check.expected)) == ("balance", 100 * MILLION, 90 * MILLION)
        assert latest_flags(found.values, "total_assets", "CY2023Q4I") == ("check_failed",)

    def test_shares_filed_in_millions_are_flagged(self) -> None:
        year = ("2023-01-01", "2023-12-31")
        mcdonalds = Filing(
            accession="0000063908-24-000072",
            filed="2024-02-22",
            facts=(
                flow("NetIncomeLoss", *year, 8_469),
                duration("us-gaap:EarningsPerShareDiluted", *year, "11.56", unit="USD/shares"),
                duration("us-gaap:WeightedAverageNumberOfDilutedSharesOutstanding", *year, "732.3", unit="shares"),
            ),
        )

        rows = resolved(mcdonalds).values

        assert latest_flags(rows, "shares_diluted", "CY2023") == ("check_failed",)
        assert latest_flags(rows, "net_income", "CY2023") == ()

    def test_a_missing_side_is_no_failure(self) -> None:
        filing = Filing(
            accession="0001000000-24-000001", filed="2024-02-01", facts=(balance("Assets", "2023-12-31", 100),)
        )

        assert resolved(filing).checks == []


class TestNeverNegative:
    def test_parts_above_their_wholes_feed_nothing(self) -> None:
        year_began = "2014-09-01"
        costco = (
            flows(
                "PaymentsOfDividends",
                "0000909832-15-000003",
                "2015-03-11",
                (year_began, "2015-02-15", 156),
                ("2014-11-24", "2015-02-15", 2_358),
            ),
            flows(
                "PaymentsOfDividends",
                "0000909832-15-000008",
                "2015-06-04",
                (year_began, "2015-05-10", 2_514),
                ("2015-02-16", "2015-05-10", 2_358),
            ),
            flows("PaymentsOfDividends", "0000909832-15-000014", "2015-10-14", (year_began, "2015-08-30", 2_865)),
            flows("PaymentsOfDividends", "0000909832-16-000040", "2016-12-16", ("2015-08-31", "2015-11-22", 0)),
        )

        rows = [row for row in resolved(*costco).values if row.metric == "dividends_paid"]

        assert {row.period_end.isoformat(): row.value / MILLION for row in rows if row.period_type == "quarterly"} == {
            "2015-05-10": 2_358,
            "2015-08-30": 351,
            "2015-11-22": 0,
        }
        assert [row.value / MILLION for row in rows if row.period_type == "ttm"] == [2_865]

    def test_a_year_below_its_nine_months_leaves_no_quarter(self) -> None:
        year_began = "2023-08-01"
        concept = "PaymentsToAcquirePropertyPlantAndEquipment"
        intuit = (
            flows(concept, "0000896878-24-000011", "2024-02-22", (year_began, "2024-01-31", 147)),
            flows(concept, "0000896878-24-000026", "2024-05-23", (year_began, "2024-04-30", 208)),
            flows(concept, "0000896878-24-000039", "2024-09-04", (year_began, "2024-07-31", 191), form="10-K"),
        )

        rows = [row for row in resolved(*intuit).values if row.metric == "capex"]

        assert {(row.period_type, row.period): row.value / MILLION for row in rows} == {
            ("quarterly", "CY2024Q1"): 61,
            ("annual", "CY2024"): 191,
            ("ttm", "CY2024Q2TTM"): 191,
        }

    def test_a_minus_is_not_read(self) -> None:
        capital = "PaymentsToAcquirePropertyPlantAndEquipment"
        honeywell = (
            flows(capital, "0000930413-09-003987", "2009-08-03", ("2009-01-01", "2009-06-30", -226), form="10-Q/A"),
            flows(capital, "0000930413-10-002069", "2010-04-23", ("2009-01-01", "2009-03-31", -109)),
            flows(capital, "0000930413-10-004278", "2010-08-05", ("2009-01-01", "2009-06-30", 226), form="10-Q/A"),
        )

        rows = [row for row in resolved(*honeywell).values if row.metric == "capex" and row.known_to is None]

        assert [row.value / MILLION for row in rows] == [109, 226 - 109]
        assert [row.flags for row in rows] == [("sign_changed",), ("from_year_to_date", "sign_changed")]

    def test_parts_that_are_only_rounded_up_stay(self) -> None:
        year_to_date, quarter = ("2014-09-01", "2015-02-15"), ("2014-11-24", "2015-02-15")
        rounded = Filing(
            accession="0000000001-15-000001",
            filed="2015-03-11",
            form="10-Q",
            facts=(
                duration("us-gaap:PaymentsOfDividends", *year_to_date, "155800000"),
                flow("PaymentsOfDividends", *quarter, 156),
            ),
        )

        rows = resolved(rounded).values

        assert [row.value / MILLION for row in rows if row.period_type == "quarterly"] == [156]


class TestContinuingOperations:
    def test_of_a_year_that_discontinued_some_are_not_the_whole_of_its_last_quarter(self) -> None:
        year, quarter = ("2009-02-02", "2010-01-31"), ("2009-11-02", "2010-01-31")
        next_year, next_quarter = ("2010-02-01", "2011-01-30"), ("2010-11-01", "2011-01-30")
        continuing = "IncomeLossFromContinuingOperationsPerBasicShare"
        home_depot = Filing(
            accession="0001193125-11-076501",
            filed="2011-03-24",
            facts=(
                per_share("EarningsPerShareBasic", *year, "1.58"),
                per_share(continuing, *year, "1.56"),
                per_share(continuing, *quarter, "0.18"),
                per_share("EarningsPerShareBasic", *next_year, "2.03"),
                per_share(continuing, *next_year, "2.03"),
                per_share(continuing, *next_quarter, "0.36"),
            ),
        )

        rows = resolved(home_depot).values

        assert value(rows, "eps_basic", "CY2009") == Decimal("1.58")
        assert not [row for row in rows if row.metric == "eps_basic" and row.period == "CY2009Q4"]
        assert value(rows, "eps_basic", "CY2010Q4") == Decimal("0.36")

    def test_are_taken_for_the_whole_where_their_filing_states_nothing_else(self) -> None:
        texas_instruments = flows(
            f"{CASH_FLOW}ContinuingOperations",
            "0001140361-10-018271",
            "2010-04-30",
            ("2009-01-01", "2009-03-31", 251),
            ("2010-01-01", "2010-03-31", 710),
        )

        rows = resolved(texas_instruments).values

        assert value(rows, "operating_cash_flow", "CY2009Q1") == 251 * MILLION
        assert value(rows, "operating_cash_flow", "CY2010Q1") == 710 * MILLION


class TestOperatingExpenses:
    def test_that_are_all_costs_are_not_those_below_gross_profit(self) -> None:
        quarter = ("2010-01-01", "2010-03-31")
        at_and_t = Filing(
            accession="0000732717-10-000033",
            filed="2010-05-06",
            form="10-Q",
            facts=(
                flow("Revenues", *quarter, 30_649),
                flow("CostOfRevenue", *quarter, 12_329),
                flow("OperatingExpenses", *quarter, 24_639),
                flow("OperatingIncomeLoss", *quarter, 6_010),
            ),
        )

        rows = resolved(at_and_t).values

        assert value(rows, "operating_expenses", "CY2010Q1") == (30_649 - 12_329 - 6_010) * MILLION
        assert value(rows, "total_costs_and_expenses", "CY2010Q1") == 24_639 * MILLION

    def test_that_are_all_costs_make_no_operating_income(self) -> None:
        year = ("2009-04-01", "2010-03-31")
        pretax = (
            "IncomeLossFromContinuingOperationsBeforeIncomeTaxes"
            "MinorityInterestAndIncomeLossFromEquityMethodInvestments"
        )
        computer_sciences = Filing(
            accession="0000023082-10-000036",
            filed="2010-05-21",
            facts=(
                flow("Revenues", *year, 16_128),
                flow("CostOfServices", *year, 12_797),
                flow("OperatingExpenses", *year, 15_090),
                flow(pretax, *year, 1_038),
            ),
        )

        found = {row.metric for row in resolved(computer_sciences).values}

        assert found & {"gross_profit", "operating_expenses", "operating_income", "ebitda"} == {"gross_profit"}

    def test_that_gross_profit_explains_stay(self) -> None:
        quarter = ("2010-02-01", "2010-04-30")
        analog_devices = Filing(
            accession="0000950123-10-050859",
            filed="2010-05-18",
            form="10-Q",
            facts=(
                duration("us-gaap:SalesRevenueNet", *quarter, "668240000"),
                duration("us-gaap:GrossProfit", *quarter, "434515000"),
                duration("us-gaap:OperatingExpenses", *quarter, "220440000"),
                duration("us-gaap:OperatingIncomeLoss", *quarter, "214075000"),
            ),
        )

        found = latest(resolved(analog_devices).values, "operating_expenses", "CY2010Q1")

        assert found is not None
        assert (int(found.value), found.flags) == (220_440_000, ())

    def test_that_are_all_costs_are_told_from_a_cost_of_revenue_filed_with_a_minus(self) -> None:
        quarter = ("2008-04-01", "2008-06-30")
        caterpillar = Filing(
            accession="0000018230-09-000331",
            filed="2009-08-12",
            form="10-Q/A",
            facts=(
                flow("Revenues", *quarter, 13_624),
                flow("CostOfGoodsSold", *quarter, -10_036),
                flow("OperatingExpenses", *quarter, 12_099),
                flow("OperatingIncomeLoss", *quarter, 1_525),
            ),
        )

        rows = resolved(caterpillar).values

        assert value(rows, "gross_profit", "CY2008Q2") == (13_624 - 10_036) * MILLION
        assert value(rows, "operating_expenses", "CY2008Q2") == (13_624 - 10_036 - 1_525) * MILLION


def test_a_bank_has_no_cost_of_revenue() -> None:
    year = ("2023-01-01", "2023-12-31")
    filing = Filing(
        accession="0001000000-24-000001",
        filed="2024-02-01",
        facts=(flow("Revenues", *year, 100), flow("CostOfRevenue", *year, 60)),
    )

    bank = {row.metric for row in resolved(filing, sic="6021").values}
    maker = {row.metric for row in resolved(filing, sic="3571").values}

    assert maker - bank == {"cost_of_revenue", "gross_profit", "gross_margin"}


def test_debt_due_within_a_year_may_be_tagged_together_with_leases() -> None:
    home_depot = Filing(
        accession="0001628280-26-019436",
        filed="2026-03-18",
        facts=(
            balance("CommercialPaper", "2026-02-01", 4_464),
            balance("LongTermDebtAndCapitalLeaseObligationsCurrent", "2026-02-01", 4_967),
            balance("LongTermDebtAndCapitalLeaseObligations", "2026-02-01", 46_341),
        ),
    )

    rows = resolved(home_depot).values

    assert value(rows, "short_term_debt", "CY2025Q4I") == 9_431 * MILLION
    assert value(rows, "total_debt", "CY2025Q4I") == 55_772 * MILLION


def test_short_term_investments_may_be_tagged_as_debt_securities() -> None:
    nvidia = Filing(
        accession="0001045810-26-000052",
        filed="2026-05-20",
        form="10-Q",
        facts=(balance("DebtSecuritiesCurrent", "2026-04-26", 37_098),),
    )

    assert value(resolved(nvidia).values, "short_term_investments", "CY2026Q1I") == 37_098 * MILLION


def ibm_revenue(accession: str, filed: str, **millions: int) -> Filing:
    """Revenue of years written as `of_2019`."""
    facts = [flow("Revenues", f"{year[3:]}-01-01", f"{year[3:]}-12-31", revenue) for year, revenue in millions.items()]
    return Filing(accession=accession, filed=filed, facts=tuple(facts))


IBM = [
    ibm_revenue("0001558370-20-001334", "2020-02-25", of_2019=77_147, of_2018=79_591),
    ibm_revenue("0001558370-21-001489", "2021-02-23", of_2020=73_620, of_2019=77_147, of_2018=79_591),
    # Without Kyndryl, for 2019 to 2021.
    ibm_revenue("0001558370-22-001584", "2022-02-22", of_2021=57_350, of_2020=55_179, of_2019=57_714),
]


def test_28_growth_does_not_set_a_recast_year_over_one_that_was_not() -> None:
    rows = resolved(*IBM).values

    def growth(period: str) -> list[Decimal]:
        return [round(row.value, 4) for row in rows if (row.metric, row.period) == ("revenue_growth_yoy", period)]

    assert growth("CY2019") == [Decimal("-0.0307")]
    assert growth("CY2020") == [Decimal("-0.0457"), Decimal("-0.0439")]
    assert value(rows, "revenue", "CY2019") == 57_714 * MILLION


def test_28_growth_follows_a_recast_once_one_filing_states_both_years_or_none_states_the_old_ones() -> None:
    later = ibm_revenue("later", "2023-02-28", of_2019=57_714, of_2018=79_591)
    rows = resolved(*IBM, later).values

    (kept, followed) = [row for row in rows if (row.metric, row.period) == ("revenue_growth_yoy", "CY2019")]
    assert (round(kept.value, 4), round(followed.value, 4)) == (Decimal("-0.0307"), Decimal("-0.2749"))
    assert followed.known_from == kept.known_to
    assert followed.numerator == 57_714 * MILLION
    assert followed.known_from.date() == date(2023, 3, 1)

    first, second, recast = [copies(filing) for filing in IBM]
    gone = datetime(2023, 6, 1, tzinfo=UTC)
    withdrawn = [msgspec.structs.replace(copy, known_to=gone) for copy in (*first, *second) if copy.end.year == 2019]
    others = [copy for copy in (*first, *second) if copy.end.year != 2019]
    values = resolve([*withdrawn, *others, *recast], sic="3571", wanted=lambda day: True).values
    (*_, last) = [row for row in values if (row.metric, row.period) == ("revenue_growth_yoy", "CY2019")]
    assert (last.known_from, last.known_to) == (gone, None)
    assert last.numerator == 57_714 * MILLION


def test_28_a_ratio_follows_what_was_only_mended_in_scale() -> None:
    year = ("2022-01-01", "2022-12-31")
    filings = [
        Filing(
            accession="a", filed="2023-02-01", facts=(flow("Revenues", *year, 100), flow("NetIncomeLoss", *year, 10))
        ),
        Filing(accession="b", filed="2024-02-01", facts=(flow("Revenues", *year, 100_000),)),
    ]

    assert value(resolved(*filings).values, "net_margin", "CY2022") == Decimal("0.0001")
