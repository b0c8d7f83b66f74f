"""What one company has of some metrics, each in one calendar period: one that is asked for, or its latest."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.groupings import GROUPINGS
from queries.read_models.members import Members
from queries.service.absence import CALENDAR_METRICS
from queries.service.asked_period import AskedPeriod
from queries.service.calendar_period import calendar_period
from queries.service.companies import Company
from queries.service.members import Classed, not_for, statements_by_members
from queries.tables import Snapshot

_SQL = statements_by_members("own_values.sql")

_GROUPINGS = list(GROUPINGS)

LATEST = "latest (default): the latest year, or instant, it has of each metric."


class OwnValue(Classed, frozen=True, kw_only=True):
    """
    The value that stands for a company in a calendar period, and the groups it counts in.

    `unchanged_since` names the refresh since which the values of all companies in the period are as they are, for each
    of the groupings in their order.
    """

    metric: str
    period_end: date
    value: Decimal
    accession: str
    known_from: datetime
    flags: list[str]
    unchanged_since: list[int]


class _Latest(msgspec.Struct, frozen=True, kw_only=True):
    metric: str
    period: str


def periods_named(metrics: Iterable[Metric], period: AskedPeriod) -> tuple[dict[str, str], list[str]]:
    """
    The calendar period each metric is taken in, where one is named, and what is to be said about it.

    Raises:
        QueryError: no value of a metric can have such a period.
    """
    meant = {metric.key: calendar_period(metric, period) for metric in metrics}
    warnings = list(dict.fromkeys(told for _, every in meant.values() for told in every))
    return {key: label for key, (label, _) in meant.items()}, warnings


def latest_kind(metric: Metric) -> str:
    """The type of the periods of which the latest is meant."""
    return "annual" if metric.over == "duration" else "instant"


async def periods_meant(
    snapshot: Snapshot,
    company: Company,
    metrics: Sequence[Metric],
    *,
    period: AskedPeriod | None,
    as_of: datetime | None,
) -> tuple[dict[str, str], list[str]]:
    """
    The calendar period each metric is taken in, and what is to be said about it.

    Where a company has not got a metric at all, its latest period is that of what nearly every company reports; where
    the groups have nothing of it in the metrics' units, that of what it states in others. Without that it has none.

    Raises:
        QueryError: no value of a metric can have such a period.
    """
    if period is not None:
        return periods_named(metrics, period)
    labels = await _latest_periods(snapshot, company, metrics, in_their_units=True, as_of=as_of)
    if len(labels) < len({metric.key for metric in metrics}):
        labels = await _latest_periods(snapshot, company, metrics, in_their_units=False, as_of=as_of) | labels
    return labels, []


async def _latest_periods(
    snapshot: Snapshot,
    company: Company,
    metrics: Sequence[Metric],
    *,
    in_their_units: bool,
    as_of: datetime | None,
) -> dict[str, str]:
    by_key = load_catalogue().by_key()
    consulted = {metric.key: metric for metric in (*metrics, *(by_key[key] for key in CALENDAR_METRICS))}
    found = await snapshot.fetch(
        _Latest,
        _SQL["today"]["latest"],
        {
            "cik": company.cik,
            "metrics": list(consulted),
            "units": [metric.unit if in_their_units else None for metric in consulted.values()],
            "kinds": [latest_kind(metric) for metric in consulted.values()],
            "as_of": as_of,
        },
    )
    latest = {each.metric: each.period for each in found if applies(by_key[each.metric], company.sic_then)}

    def of_any(over: str) -> str | None:
        return max(
            (latest[key] for key in CALENDAR_METRICS if key in latest and by_key[key].over == over), default=None
        )

    labels = {metric.key: latest.get(metric.key) or of_any(metric.over) for metric in metrics}
    return {key: label for key, label in labels.items() if label is not None}


async def as_classified(snapshot: Snapshot, company: Company, *, members: Members, as_of: datetime | None) -> Company:
    """
    This will give the same company as it is classed among others: with the groups it was in at an instant, or, where
    members of today are meant, as if it had always been what it is.
    """
    if members == "today" or as_of is None:
        return msgspec.structs.replace(company, sic_then=None)
    asked = {"cik": company.cik, "as_of": as_of}
    (then,) = await snapshot.fetch(Classed, _SQL[members]["class_then"], asked)
    return msgspec.structs.replace(company, **msgspec.structs.asdict(then))


async def own_values(
    snapshot: Snapshot,
    company: Company,
    metrics: Iterable[Metric],
    *,
    periods: Mapping[str, str],
    members: Members,
    as_of: datetime | None,
) -> dict[str, OwnValue]:
    """What the company counts with, in the metrics' units."""
    asked = [metric for metric in metrics if metric.key in periods]
    found = await snapshot.fetch(
        OwnValue,
        _SQL[members]["own"],
        {
            "cik": company.cik,
            "metrics": [metric.key for metric in asked],
            "periods": [periods[metric.key] for metric in asked],
            "units": [metric.unit for metric in asked],
            "not_for": [not_for(metric) for metric in asked],
            "group_bys": _GROUPINGS,
            "as_of": as_of,
        },
    )
    return {each.metric: each for each in found}
