"""Operating expenses that are all costs of a company, told by what else their filing states."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from functools import cache

from projections.financials.copies import Copy, metrics_fed
from projections.financials.selection import select
from queries.metrics.catalogue import Metric, load_catalogue

_TOLERANCE = Decimal("0.01")
"""What two sides may differ by, as a share of revenue."""

_Place = tuple[str, str, date, int]
"""Filing, unit, end and days: what is stated side by side."""


def without_all_costs(copies: list[Copy]) -> list[Copy]:
    """
    The copies but for those of operating expenses that hold the cost of revenue too.

    So it is where revenue less them is the filing's operating income, or its pre-tax income where it states no other,
    and gross profit less them is not.
    """
    concepts = load_catalogue().by_key()["operating_expenses"].concepts
    expenses = {_place(copy): copy for copy in copies if copy.concept in concepts}
    if not expenses:
        return copies
    beside: dict[_Place, dict[str, list[Copy]]] = {place: defaultdict(list) for place in expenses}
    for copy in copies:
        if (stated := beside.get(_place(copy))) is not None:
            for metric in metrics_fed(copy.concept, copy.unit, copy.days):
                if metric.key in _consulted():
                    stated[metric.key].append(copy)
    holding_all = {place for place, copy in expenses.items() if _holds_all(copy.value, beside[place])}
    return [copy for copy in copies if copy.concept not in concepts or _place(copy) not in holding_all]


def _place(copy: Copy) -> _Place:
    return copy.accession, copy.unit, copy.end, copy.days


def _holds_all(expenses: Decimal, stated: dict[str, list[Copy]]) -> bool:
    values = {key: select(_consulted()[key], copies)[0].value for key, copies in stated.items()}
    revenue, income = values.get("revenue"), values.get("operating_income", values.get("pretax_income"))
    if revenue is None or income is None:
        return False
    gross_profit = values.get("gross_profit")
    if gross_profit is None and "cost_of_revenue" in values:
        gross_profit = revenue - values["cost_of_revenue"]
    if gross_profit is None:
        return False
    within = _TOLERANCE * revenue
    return abs(revenue - expenses - income) <= within < abs(gross_profit - expenses - income)


@cache
def _consulted() -> dict[str, Metric]:
    keys = ("revenue", "cost_of_revenue", "gross_profit", "operating_income", "pretax_income")
    return {key: load_catalogue().by_key()[key] for key in keys}
