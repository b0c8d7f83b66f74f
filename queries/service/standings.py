"""Where a company stands in its groups: from the sorted sets in Redis, else from the tables."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from queries.connections import ReadSources
from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.groupings import GROUPINGS, GroupBy
from queries.read_models.aggregate_fragment import plain
from queries.read_models.members import Members
from queries.read_models.standing import STANDING, StandingRow
from queries.service.arguments import AsOf, argument
from queries.service.asked_period import LATEST_OR_PERIOD_PATTERN, AskedPeriod, read_period, read_period_or_latest
from queries.service.cells import Cell
from queries.service.companies import Company, CompanyQuery, as_known_at, find_company
from queries.service.current_values import CompanyValues, current_values
from queries.service.explained_absence import explain_absence
from queries.service.frame_query import COMPARED_PERIODS
from queries.service.group_figures import GroupFigures, Place, from_median, percentile, zscore_in
from queries.service.members import MembersAsked, members_meant, not_for, statements_by_members
from queries.service.metrics import find_metrics
from queries.service.own_values import (
    LATEST,
    OwnValue,
    as_classified,
    own_values,
    periods_meant,
    periods_named,
)
from queries.service.rank_sets import Stood, places_in_sets
from queries.service.result import Result, meta_of
from queries.service.series_query import Metrics
from queries.tables import Snapshot

_SQL = statements_by_members("standings.sql")


class StandingQuery(CompanyQuery, frozen=True, kw_only=True):
    """Where a company stands, by which metrics, in which groups."""

    metrics: Metrics
    period: Annotated[
        AskedPeriod | None,
        argument(
            f"{COMPARED_PERIODS} {LATEST}",
            example="latest",
            pattern=LATEST_OR_PERIOD_PATTERN,
            read=read_period_or_latest,
        ),
    ] = None
    group_by: Annotated[
        tuple[GroupBy, ...] | None,
        argument(
            "The kinds of groups to stand in (default: every kind).",
            example=["all", "sector"],
            min_length=1,
            max_length=len(GROUPINGS),
        ),
    ] = None
    members: MembersAsked = None
    as_of: AsOf = None


type _InGroup = tuple[str, GroupBy]


class _Unit(msgspec.Struct, frozen=True, kw_only=True):
    unit: str
    by_successor: bool


class _Placed(GroupFigures, frozen=True, kw_only=True):
    metric: str
    group_by: GroupBy
    below: int
    not_larger: int


async def show_standing(sources: ReadSources, query: StandingQuery) -> Result:
    """
    This will say where a company stands by each metric, in each group it belongs to.

    Raises:
        QueryError: the company or a metric is unknown, or no such period can have a value.
    """
    metrics = find_metrics(query.metrics)
    group_bys = tuple(dict.fromkeys(query.group_by or GROUPINGS))
    members = members_meant(query.members, as_of=query.as_of)
    from_sets = query.as_of is None and members == "today"
    if from_sets and (result := await _from_sets(sources, query, metrics, group_bys)) is not None:
        return result
    async with sources.snapshot(plans_once=from_sets) as snapshot:
        (company,) = await as_known_at(snapshot, [await find_company(snapshot, query.company)], query.as_of)
        company = await as_classified(snapshot, company, members=members, as_of=query.as_of)
        labels, warnings = await periods_meant(snapshot, company, metrics, period=query.period, as_of=query.as_of)
        own = await own_values(snapshot, company, metrics, periods=labels, members=members, as_of=query.as_of)
        found = CompanyValues(
            freshness=snapshot.freshness, version=snapshot.version, company=company, periods=labels, own=own
        )
        asked = _stood(found, metrics, group_bys)
        places: dict[Stood, Place] = {}
        if from_sets:
            places = await places_in_sets(sources, list(asked.values()), version=found.version)
        missed = [stood for stood in asked.values() if stood not in places]
        places |= await _places_in_tables(snapshot, missed, members=members, as_of=query.as_of)
        reasons = {
            metric.key: await _why_absent(snapshot, company, metric, label=labels.get(metric.key), as_of=query.as_of)
            for metric in metrics
            if metric.key not in own
        }
        return Result(
            read_model=STANDING,
            meta=meta_of(
                found.freshness,
                source="redis" if asked and not missed else "postgres",
                as_of=query.as_of,
                warnings=warnings,
            ),
            rows=_rows(found, metrics, group_bys, members=members, asked=asked, places=places, reasons=reasons),
        )


async def _from_sets(
    sources: ReadSources, query: StandingQuery, metrics: Sequence[Metric], group_bys: Sequence[GroupBy]
) -> Result | None:
    """The answer of one statement and the sorted sets; None where it takes more than these."""
    labels, warnings = periods_named(metrics, query.period) if query.period else ({}, [])
    found = await current_values(sources, query.company, metrics, periods=labels)
    if found is None:
        return None
    asked = _stood(found, metrics, group_bys)
    places = await places_in_sets(sources, list(asked.values()), version=found.version)
    if not asked or len(places) != len(asked):
        return None
    return Result(
        read_model=STANDING,
        meta=meta_of(found.freshness, source="redis", as_of=None, warnings=warnings),
        rows=_rows(found, metrics, group_bys, members="today", asked=asked, places=places, reasons={}),
    )


def _stood(found: CompanyValues, metrics: Sequence[Metric], group_bys: Sequence[GroupBy]) -> dict[_InGroup, Stood]:
    return {
        (metric.key, group_by): Stood(
            cell=Cell(metric=metric.key, period=found.periods[metric.key], unit=metric.unit, group_by=group_by),
            unchanged_since=unchanged_since,
            group=group,
            value=own.value,
        )
        for metric in metrics
        if (own := found.own.get(metric.key)) is not None
        for group_by, unchanged_since in zip(GROUPINGS, own.unchanged_since, strict=True)
        if group_by in group_bys and (group := own.group(group_by)) is not None
    }


def _rows(
    found: CompanyValues,
    metrics: Sequence[Metric],
    group_bys: Sequence[GroupBy],
    *,
    members: Members,
    asked: Mapping[_InGroup, Stood],
    places: Mapping[Stood, Place],
    reasons: Mapping[str, str],
) -> list[StandingRow]:
    return [
        _row(
            found.company,
            metric,
            period=found.periods.get(metric.key),
            own=found.own.get(metric.key),
            group_by=group_by,
            members=members,
            place=places[stood] if (stood := asked.get((metric.key, group_by))) else None,
            reason=reasons.get(metric.key),
        )
        for metric in metrics
        for group_by in group_bys
    ]


async def _places_in_tables(
    snapshot: Snapshot, asked: Sequence[Stood], *, members: Members, as_of: datetime | None
) -> dict[Stood, Place]:
    by_metric: dict[str, list[Stood]] = defaultdict(list)
    for stood in asked:
        by_metric[stood.cell.metric].append(stood)
    # Of members of then a company may be in other groups by each metric; as a rule it is in the same by all.
    together: dict[tuple[tuple[GroupBy, str], ...], list[Stood]] = defaultdict(list)
    for places in by_metric.values():
        together[tuple((stood.cell.group_by, stood.group) for stood in places)].append(places[0])
    by_key = load_catalogue().by_key()
    placed: dict[_InGroup, _Placed] = {}
    for groups, cells in together.items():
        found = await snapshot.fetch(
            _Placed,
            _SQL[members]["places"],
            {
                "metrics": [stood.cell.metric for stood in cells],
                "periods": [stood.cell.period for stood in cells],
                "units": [stood.cell.unit for stood in cells],
                "values": [stood.value for stood in cells],
                "not_for": [not_for(by_key[stood.cell.metric]) for stood in cells],
                "group_bys": [group_by for group_by, _ in groups],
                "groups": [group for _, group in groups],
                "as_of": as_of,
            },
        )
        placed |= {(each.metric, each.group_by): each for each in found}
    return {
        stood: Place(group=group, below=group.below, not_larger=group.not_larger)
        for stood in asked
        for group in [placed[stood.cell.metric, stood.cell.group_by]]
    }


async def _why_absent(
    snapshot: Snapshot, company: Company, metric: Metric, *, label: str | None, as_of: datetime | None
) -> str:
    if not all(applies(metric, sic) for sic in company.sics):
        return "not_applicable"
    if label is None:
        return "parked" if company.parked else "not_reported"
    parameters = {"cik": company.cik, "metric": metric.key, "period": label, "as_of": as_of}
    if units := {row.unit: row for row in await snapshot.fetch(_Unit, _SQL["today"]["units"], parameters)}:
        if metric.unit not in units:
            return "other_unit"
        if units[metric.unit].by_successor:
            return "counted_under_successor"
        counted = await own_values(
            snapshot, company, [metric], periods={metric.key: label}, members="today", as_of=as_of
        )
        return "not_applicable" if counted else "not_yet_counted"
    return (await explain_absence(snapshot, company, metric, period=read_period(label), as_of=as_of)).reason or ""


def _row(
    company: Company,
    metric: Metric,
    *,
    period: str | None,
    own: OwnValue | None,
    group_by: GroupBy,
    members: Members,
    place: Place | None,
    reason: str | None,
) -> StandingRow:
    zscore = zscore_in(place.group) if place else None
    return StandingRow(
        company=company.display,
        cik=company.cik,
        metric=metric.key,
        unit=metric.unit,
        period=period,
        period_end=own.period_end if own else None,
        value=plain(own.value) if own else None,
        group_by=group_by,
        group=(own or company).group(group_by),
        rank=place.group.n - place.not_larger + 1 if place else None,
        n=place.group.n if place else None,
        percentile=plain(percentile(place.not_larger, n=place.group.n)) if place else None,
        zscore=plain(zscore(own.value)) if own and zscore else None,
        median=plain(place.group.median) if place else None,
        from_median=plain(from_median(own.value, place.group)) if own and place else None,
        accession=own.accession if own else None,
        known_from=own.known_from if own else None,
        flags=own.flags if own else [],
        members=members,
        reason=reason or (None if place else "no_group"),
    )
