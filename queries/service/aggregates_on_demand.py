"""Figures over groups worked out when they are asked for: as of an instant, of other members, or with more figures."""

from decimal import Decimal

import msgspec

from queries.read_models.aggregate_fragment import MEMBERS_SHOWN, StoredAggregate
from queries.service.absence import CALENDAR_METRICS
from queries.service.aggregates_query import AggregatesQuery, Wanted
from queries.service.members import not_for, statements_by_members
from queries.tables import Snapshot

_SQL = statements_by_members("aggregates_on_demand.sql")


class WorkedOut(StoredAggregate, frozen=True, kw_only=True, gc=False):
    """
    A group's figures, and those only worked out on demand: of the members that have a value in both years what it adds
    up to in either, None unless growth was asked for; the last three are None unless coverage was.
    """

    sum_of_both: Decimal | None
    sum_before: Decimal | None
    numerator_of_both: Decimal | None
    denominator_of_both: Decimal | None
    numerator_before: Decimal | None
    denominator_before: Decimal | None
    expected: int | None
    not_applicable: int | None
    other_unit: int | None

    @property
    def not_reported(self) -> int | None:
        """The expected members that state nothing for which the metric would make sense."""
        if self.expected is None:
            return None
        return self.expected - self.n - (self.not_applicable or 0) - (self.other_unit or 0)


class _Period(msgspec.Struct, frozen=True):
    period: str


async def work_out(snapshot: Snapshot, *, wanted: Wanted, query: AggregatesQuery) -> list[WorkedOut]:
    """This will work out every group, or the groups asked for, of the periods wanted, sorted by period and group."""
    statements = _SQL[query.members_meant]
    coverage = "coverage" in (query.stats or ())
    calendar_metrics = sorted({*CALENDAR_METRICS, wanted.metric.key})
    known = {
        "metric": wanted.metric.key,
        "unit": wanted.metric.unit,
        "group_by": query.group_by,
        "groups": None if query.group_keys is None else list(query.group_keys),
        "as_of": query.as_of,
        "coverage": coverage,
    }
    periods = [wanted.low]
    if wanted.low != wanted.high:
        between = {
            "known_by": calendar_metrics if coverage else [wanted.metric.key],
            "low": wanted.low,
            "high": wanted.high,
            "form": wanted.form,
            "last": wanted.last,
        }
        periods = [found.period for found in await snapshot.fetch(_Period, statements["periods"], {**known, **between})]
    asked = {
        "periods": periods,
        "growth": "growth" in (query.stats or ()),
        "calendar_metrics": calendar_metrics,
        "then": query.members_meant == "then",
        "not_for": not_for(wanted.metric),
        "shown": MEMBERS_SHOWN,
    }
    return await snapshot.fetch(WorkedOut, statements["groups"], {**known, **asked})
