"""Figures over groups of companies, worked out before anybody asks."""

from decimal import Decimal
from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column
from queries.read_models.members import MembersShown


class MemberRow(msgspec.Struct, frozen=True, kw_only=True):
    """A company at the top or the bottom of its group."""

    company: Annotated[str, column("Ticker of the company, or its name where it has none.", example="WMT")]
    cik: Annotated[int, column("Central Index Key of the company.", example=104169)]
    value: Annotated[Decimal, column("The company's value.", example=648125000000)]


class AggregateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One group's figures for one metric and period, over every member that has a value."""

    metric: Annotated[str, column("Key of the metric in the catalogue.", example="revenue")]
    unit: Annotated[str, column("Unit of the statistics.", example="USD")]
    group_by: Annotated[str, column("How companies are grouped.", example="sector")]
    group: Annotated[
        str, column("The group: `all`, a sector, an SIC code, a country or a size class.", example="retail-trade")
    ]
    period: Annotated[str, column("Calendar period.", example="CY2023")]
    n: Annotated[int, column("Companies of the group that have a value; 0 with stats=coverage only.", example=21)]
    sum: Annotated[
        Decimal | None,
        column("Sum of the values; null where a sum says nothing, as of ratios.", example=1693417000000),
    ]
    mean: Annotated[
        Decimal | None, column("Mean of the values; this and the next are null where n is 0.", example=80638904761.9)
    ]
    min: Annotated[Decimal | None, column("Smallest value.", example=1204000000)]
    p10: Annotated[Decimal | None, column("10th percentile, interpolated.", example=4120000000)]
    p25: Annotated[Decimal | None, column("25th percentile, interpolated.", example=9830000000)]
    median: Annotated[Decimal | None, column("Median, interpolated.", example=32681000000)]
    p75: Annotated[Decimal | None, column("75th percentile, interpolated.", example=97429000000)]
    p90: Annotated[Decimal | None, column("90th percentile, interpolated.", example=254453000000)]
    max: Annotated[Decimal | None, column("Largest value.", example=648125000000)]
    weighted: Annotated[
        Decimal | None,
        column(
            "Of ratios and growth rates: the ratio of the sums, so that large members count for more. "
            "Members that report in other currencies are left out of it.",
            example=None,
        ),
    ]
    members: MembersShown = "today"
    growth: Annotated[
        Decimal | None,
        column(
            "With stats=growth: change of the sum against the same calendar period a year before, over the members "
            "that have a value in both. Null where a sum says nothing or the earlier one is not positive.",
            example=None,
        ),
    ] = None
    weighted_change: Annotated[
        Decimal | None,
        column(
            "With stats=growth, of ratios and growth rates: `weighted` less that of the same calendar period a year "
            "before, over the members that have both parts of it in both. A difference: 0.01 of a margin is one "
            "percentage point. Null for figures per share, which splits change.",
            example=None,
        ),
    ] = None
    expected: Annotated[
        int | None,
        column(
            "With stats=coverage: companies of the group for which revenue, net income, total assets or this metric is "
            "known under this period, in whatever unit. Those without a value in `unit` are in the next three columns.",
            example=None,
        ),
    ] = None
    not_applicable: Annotated[
        int | None,
        column("With stats=coverage: of the expected, those for which the metric makes no sense.", example=None),
    ] = None
    other_unit: Annotated[
        int | None,
        column("With stats=coverage: of the expected, those that state it in another unit only.", example=None),
    ] = None
    not_reported: Annotated[
        int | None, column("With stats=coverage: of the expected, those that do not state it.", example=None)
    ] = None
    top: Annotated[list[MemberRow], column("The members with the largest values, largest first.", example=[])]
    bottom: Annotated[list[MemberRow], column("The members with the smallest values, smallest first.", example=[])]


AGGREGATE = ReadModel(
    name="aggregate",
    row=AggregateRow,
    key=("metric", "group_by", "period", "group"),
    cache_seconds=10,
    stored={
        "group_aggregate": (
            "metric", "unit", "group_by", "group_key", "period", "n", "sum", "mean", "min", "p10", "p25", "median",
            "p75", "p90", "max", "numerator", "denominator", "top_ciks", "top_values", "bottom_ciks", "bottom_values",
        ),
        "company": ("cik", "sector", "major_group", "industry", "country", "size_class"),
        "company_classification": ("cik", "valid_from", "valid_to", "sic", "country", "size_class"),
        "metric_value": (
            "cik", "metric", "unit", "period", "duration_days", "calendar_offset", "known_from", "known_to", "value",
            "numerator", "denominator",
        ),
    },
)  # fmt: skip
