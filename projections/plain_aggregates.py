"""
What the group aggregates must be, worked out the slow and simple way: every group by sorting its members.

What `aggregates.sql` writes is compared with this by `verify` and by the property tests.
"""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from projections.figures.rows import CompanyRow, Group
from projections.financials.resolution import MetricVersion
from projections.financials.statistics import summarise
from queries.metrics.catalogue import load_catalogue
from queries.metrics.periods import standing_order
from queries.read_models.aggregate_fragment import MEMBERS_SHOWN, StoredAggregate

AggregateKey = tuple[str, str, str, str]
"""(metric, period, group_by, group_key)."""

_Member = tuple[int, MetricVersion]


def aggregate_companies(
    companies: Iterable[tuple[CompanyRow, Iterable[MetricVersion]]],
) -> dict[AggregateKey, StoredAggregate]:
    """Every group aggregate of these companies."""
    members: dict[AggregateKey, list[_Member]] = defaultdict(list)
    for company, values in companies:
        groups = company.groups()
        for (metric, period), value in _standing(values).items():
            for group in groups:
                members[metric, period, *group].append((company.cik, value))
    return {key: _aggregate(key[0], key[1], (key[2], key[3]), found) for key, found in members.items()}


def _standing(values: Iterable[MetricVersion]) -> dict[tuple[str, str], MetricVersion]:
    """The one value of a company that stands for each calendar period: the nearest to it, then the newest known."""
    metrics = load_catalogue().by_key()
    best: dict[tuple[str, str], MetricVersion] = {}
    for value in values:
        if value.known_to is None and value.period is not None and value.unit == metrics[value.metric].unit:
            held = best.get((value.metric, value.period))
            if held is None or _nearness(value) < _nearness(held):
                best[value.metric, value.period] = value
    return best


def _nearness(value: MetricVersion) -> tuple[int, float, int, int]:
    return standing_order(abs(value.calendar_offset), value.known_from, value.duration_days, value.period_end)


def _aggregate(metric: str, period: str, group: Group, members: list[_Member]) -> StoredAggregate:
    ascending = sorted((value.value, cik) for cik, value in members)
    statistics = summarise([value for value, _ in ascending])
    bottom, top = ascending[:MEMBERS_SHOWN], ascending[::-1][:MEMBERS_SHOWN]
    parts = [(value.numerator, value.denominator) for _, value in members if value.numerator is not None]
    return StoredAggregate(
        metric=metric,
        period=period,
        group_by=group[0],
        group_key=group[1],
        unit=load_catalogue().by_key()[metric].unit,
        **msgspec.structs.asdict(statistics),
        numerator=sum((above for above, _ in parts), Decimal(0)) if parts else None,
        denominator=sum((below for _, below in parts if below is not None), Decimal(0)) if parts else None,
        bottom_ciks=[cik for _, cik in bottom],
        bottom_values=[value for value, _ in bottom],
        top_ciks=[cik for _, cik in top],
        top_values=[value for value, _ in top],
    )
