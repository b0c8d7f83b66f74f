"""
What the frames and group aggregates must be, worked out the slow and simple way: every group by sorting its members.

What `aggregates.sql` writes is compared with this by `verify` and by the property tests.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext

import msgspec

from projections import aggregates
from projections.figures.rows import Group
from projections.financials.resolution import MetricVersion
from projections.financials.rounding import EXACT_DIGITS
from projections.financials.statistics import summarise
from queries.metrics.catalogue import load_catalogue
from queries.metrics.periods import standing_order
from queries.read_models.aggregate_fragment import MEMBERS_SHOWN, StoredAggregate

Cell = tuple[str, str]
"""(metric, period)."""

Frame = dict[int, MetricVersion]
"""What each company stands for in one cell, by CIK."""

AggregateKey = tuple[str, str, str, str]
"""(metric, period, group_by, group_key)."""

_PERCENTS = (10, 25, 50, 75, 90)


class CountedAggregate(StoredAggregate, frozen=True, kw_only=True):
    """A whole row of `group_aggregate`, with what it takes to follow the group."""

    parts: int
    rank_ciks: list[int] | None
    rank_values: list[Decimal] | None


def successors_of(links: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    """
    The CIKs each company goes on under, however often that happened. A link is (CIK, that of its predecessor).

    In a circle nobody goes on as anybody.
    """
    next_ones: dict[int, set[int]] = defaultdict(set)
    for cik, predecessor in links:
        next_ones[predecessor].add(cik)
    reached: dict[int, set[int]] = {}
    for start in next_ones:
        ahead, seen = {start}, set[int]()
        while ahead:
            ahead = set[int]().union(*(next_ones.get(cik, ()) for cik in ahead)) - seen
            seen |= ahead
        reached[start] = seen
    return {cik: {later for later in found if cik not in reached.get(later, ())} for cik, found in reached.items()}


def frames_of(
    companies: Iterable[tuple[int, Iterable[MetricVersion]]], *, successors: Mapping[int, Iterable[int]]
) -> dict[Cell, Frame]:
    """
    What each CIK stands for in each cell, of the values it has: the nearest to it, then the newest known.

    What one of its successors states itself does not count for a company.
    """
    metrics = load_catalogue().by_key()
    frames: dict[Cell, Frame] = defaultdict(dict)
    for cik, values in companies:
        for value in values:
            if value.known_to is None and value.period is not None and value.unit == metrics[value.metric].unit:
                frame = frames[value.metric, value.period]
                if cik not in frame or _nearness(value) < _nearness(frame[cik]):
                    frame[cik] = value
    return {
        cell: {cik: value for cik, value in frame.items() if frame.keys().isdisjoint(successors.get(cik, ()))}
        for cell, frame in frames.items()
    }


def aggregates_of(
    cell: Cell, frame: Frame, groups: Mapping[int, Iterable[Group]]
) -> dict[AggregateKey, CountedAggregate]:
    """Every group aggregate of one cell; `groups` tells the groups of each company."""
    members: dict[Group, list[tuple[int, MetricVersion]]] = defaultdict(list)
    for cik, value in frame.items():
        for group in groups[cik]:
            members[group].append((cik, value))
    return {(*cell, *group): _aggregate(cell, group, found) for group, found in members.items()}


def _nearness(value: MetricVersion) -> tuple[int, float, int, int]:
    return standing_order(abs(value.calendar_offset), value.known_from, value.duration_days, value.period_end)


def _aggregate(cell: Cell, group: Group, members: list[tuple[int, MetricVersion]]) -> CountedAggregate:
    ascending = sorted((value.value, cik) for cik, value in members)
    statistics = summarise([value for value, _ in ascending])
    bottom, top = ascending[:MEMBERS_SHOWN], ascending[::-1][:MEMBERS_SHOWN]
    parts = [(value.numerator, value.denominator) for _, value in members if value.numerator is not None]
    with localcontext(prec=EXACT_DIGITS):
        numerator = sum((above for above, _ in parts), Decimal(0)) if parts else None
        denominator = sum((below for _, below in parts if below is not None), Decimal(0)) if parts else None
    ranked = [ascending[percent * (len(ascending) - 1) // 100] for percent in _PERCENTS]
    is_followed = len(ascending) >= aggregates.FOLLOWED_FROM
    return CountedAggregate(
        metric=cell[0],
        period=cell[1],
        group_by=group[0],
        group_key=group[1],
        unit=load_catalogue().by_key()[cell[0]].unit,
        **msgspec.structs.asdict(statistics),
        numerator=numerator,
        denominator=denominator,
        bottom_ciks=[cik for _, cik in bottom],
        bottom_values=[value for value, _ in bottom],
        top_ciks=[cik for _, cik in top],
        top_values=[value for value, _ in top],
        parts=len(parts),
        rank_ciks=[cik for _, cik in ranked] if is_followed else None,
        rank_values=[value for value, _ in ranked] if is_followed else None,
    )
