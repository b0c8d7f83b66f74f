"""The metric catalogue as readers see it."""

from typing import Annotated

import msgspec

from queries.read_models.declaration import ReadModel, column


class MetricRow(msgspec.Struct, frozen=True, kw_only=True):
    """One metric that can be asked for."""

    metric: Annotated[str, column("Key of the metric, as used in `metric` and `metrics`.", example="gross_margin")]
    label: Annotated[str, column("Name for people.", example="Gross margin")]
    description: Annotated[str, column("What the figure says.", example="Gross profit as a share of revenue.")]
    kind: Annotated[str, column("`reported` by companies, or always worked out: `derived`, `ratio`.", example="ratio")]
    over: Annotated[str, column("Whether a value covers a `duration` or stands at an `instant`.", example="duration")]
    unit: Annotated[str, column("Unit: USD, USD/shares, shares, pure (a plain number) or days.", example="pure")]
    statement: Annotated[str, column("Statement the figure belongs to.", example="ratio")]
    category: Annotated[str | None, column("Kind of ratio, where it is one.", example="profitability")]
    formula: Annotated[
        str | None,
        column(
            "How the value is worked out (or stood in for, if nobody reported it).", example="gross_profit / revenue"
        ),
    ]
    undefined_if: Annotated[
        str | None, column("The condition under which the formula has no result.", example="net_income <= 0")
    ]
    concepts: Annotated[list[str], column("XBRL concepts the value is read from, in order of preference.", example=[])]
    not_for: Annotated[
        list[str],
        column(
            "Kinds of company it has no value for (not_applicable): bank (SIC 6020 to 6199, 6712), insurer (6300 to "
            "6499).",
            example=["bank"],
        ),
    ]
    additive: Annotated[bool, column("Whether the values of quarters add up to that of the year.", example=False)]
    split_sensitive: Annotated[
        bool, column("Whether a share split changes it; series then have a split_factor.", example=False)
    ]


METRIC = ReadModel(name="metric", row=MetricRow, key=("metric",), cache_seconds=300)
