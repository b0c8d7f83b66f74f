"""Where a company stands in its groups: from the sorted sets in Redis, else from the tables."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from queries.connections import ReadSources, Snapshot
from queries.metrics.applicability import applies
from queries.metrics.catalogue import Metric, load_catalogue
from queries.metrics.groupings import GROUPINGS, GroupBy
from queries.read_models.aggregate_fragment import plain
from queries.read_models.standing import STANDING, StandingRow
from queries.service.absence import CALENDAR_METRICS
from queries.service.arguments import AsOf, argument
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period
from queries.service.calendar_period import calendar_period
from queries.service.companies import Company, CompanyQuery, as_known_at, find_company
from queries.service.explanations import explain_absence
from queries.service.frame_query import COMPARED_PERIODS
from queries.service.group_figures import GroupFigures, Place, from_median, percentile, zscore
from queries.service.metrics import find_metrics
from queries.service.rank_sets import Cell, Stood, places_in_sets
from queries.service.result import Result, meta_of
from queries.service.series_query import Metrics
from queries.service.statements import load_statements

_SQL = load_statements("standings.sql")


def read_period_or_latest(text: str) -> AskedPeriod | None:
    """
    This will read a period; None stands for the latest one.

    Raises:
        ValueError: the text is none of the known forms.
    """
    return None if text.strip().lower() == "latest" else read_period(text)


class StandingQuery(CompanyQuery, frozen=True, kw_only=True):
    """Where a company stands, by which metrics, in which groups."""

    metrics: Metrics
    period: Annotated[
        AskedPeriod | None,
        argument(
            f"{COMPARED_PERIODS} latest (default): the latest year, or instant, the company has of each metric.",
            example="latest",
            pattern=f"^latest$|{PERIOD_PATTERN}",
            read=read_period_or_latest,
        ),
    ] = None
    group_by: Annotated[
        tuple[GroupBy, ...] | None,
        argument(
            "The kinds of groups to stand in (default: every kind), as companies are classified today.",
            example=["all", "sector"],
            min_length=1,
            max_length=len(GROUPINGS),
        ),
    ] = None
    as_of: AsOf = None


class _Latest(msgspec.Struct, frozen=True, kw_only=True):
    metric: str
    period: str


class _Own(msgspec.Struct, frozen=True, kw_only=True):
    metric: str
    period_end: date
    value: Decimal
    accession: str
    known_from: datetime
    flags: list[str]


class _Unit(msgspec.Struct, frozen=True, kw_only=True):
    unit: str


class _GroupOf(msgspec.Struct, frozen=True, kw_only=True):
    group_by: GroupBy
    group_key: str | None


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
    warnings: list[str] = []
    async with sources.snapshot() as snapshot:
        (company,) = await as_known_at(snapshot, [await find_company(snapshot, query.company)], query.as_of)
        labels = await _labels(snapshot, company, metrics, query=query, warnings=warnings)
        own = await _own(snapshot, company, metrics, labels=labels, as_of=query.as_of)
        groups = await snapshot.fetch(_GroupOf, _SQL["groups"], {"cik": company.cik, "group_bys": list(group_bys)})
        group_of = {each.group_by: each.group_key for each in groups}
        asked = {
            (metric.key, group_by): Stood(
                cell=Cell(metric=metric.key, period=labels[metric.key], unit=metric.unit, group_by=group_by),
                group=group,
                value=own[metric.key].value,
            )
            for metric in metrics
            if metric.key in own
            for group_by in group_bys
            if (group := group_of[group_by]) is not None
        }
        places: dict[Stood, Place] = {}
        if query.as_of is None:
            places = await places_in_sets(sources, snapshot, company.cik, list(asked.values()))
        missed = [stood for stood in asked.values() if stood not in places]
        places |= await _places_in_tables(snapshot, missed, as_of=query.as_of)
        rows: list[StandingRow] = []
        for metric in metrics:
            label = labels.get(metric.key)
            reason = None
            if metric.key not in own:
                reason = await _why_absent(snapshot, company, metric, label=label, as_of=query.as_of)
            for group_by in group_bys:
                stood = asked.get((metric.key, group_by))
                rows.append(
                    _row(
                        company,
                        metric,
                        period=label,
                        own=own.get(metric.key),
                        group_by=group_by,
                        group=group_of[group_by],
                        place=places[stood] if stood else None,
                        reason=reason,
                    )
                )
        return Result(
            read_model=STANDING,
            meta=meta_of(
                snapshot.freshness,
                source="redis" if asked and not missed else "postgres",
                as_of=query.as_of,
                warnings=warnings,
            ),
            rows=rows,
        )


async def _labels(
    snapshot: Snapshot, company: Company, metrics: Sequence[Metric], *, query: StandingQuery, warnings: list[str]
) -> dict[str, str]:
    """The calendar period each metric is compared in; none where the company has no period at all."""
    if query.period is not None:
        labels: dict[str, str] = {}
        for metric in metrics:
            labels[metric.key], told = calendar_period(metric, query.period)
            warnings += told
        return labels
    by_key = load_catalogue().by_key()
    consulted = {metric.key: metric for metric in (*metrics, *(by_key[key] for key in CALENDAR_METRICS))}
    found = await snapshot.fetch(
        _Latest,
        _SQL["latest"],
        {
            "cik": company.cik,
            "metrics": list(consulted),
            "units": [metric.unit for metric in consulted.values()],
            "kinds": ["annual" if metric.over == "duration" else "instant" for metric in consulted.values()],
            "as_of": query.as_of,
        },
    )
    latest = {each.metric: each.period for each in found}

    def of_any(over: str) -> str | None:
        return max(
            (latest[key] for key in CALENDAR_METRICS if key in latest and by_key[key].over == over), default=None
        )

    found_for = {metric.key: latest.get(metric.key) or of_any(metric.over) for metric in metrics}
    return {key: label for key, label in found_for.items() if label is not None}


async def _own(
    snapshot: Snapshot,
    company: Company,
    metrics: Iterable[Metric],
    *,
    labels: Mapping[str, str],
    as_of: datetime | None,
) -> dict[str, _Own]:
    """What the company has, where the metric made sense for it then."""
    asked = [metric for metric in metrics if metric.key in labels and applies(metric, company.sic_then)]
    found = await snapshot.fetch(
        _Own,
        _SQL["own"],
        {
            "cik": company.cik,
            "metrics": [metric.key for metric in asked],
            "periods": [labels[metric.key] for metric in asked],
            "units": [metric.unit for metric in asked],
            "as_of": as_of,
        },
    )
    return {each.metric: each for each in found}


async def _places_in_tables(
    snapshot: Snapshot, asked: Sequence[Stood], *, as_of: datetime | None
) -> dict[Stood, Place]:
    if not asked:
        return {}
    cells = list({stood.cell.metric: stood for stood in asked}.values())
    groups = {stood.cell.group_by: stood.group for stood in asked}
    found = await snapshot.fetch(
        _Placed,
        _SQL["places"],
        {
            "metrics": [stood.cell.metric for stood in cells],
            "periods": [stood.cell.period for stood in cells],
            "units": [stood.cell.unit for stood in cells],
            "values": [stood.value for stood in cells],
            "group_bys": list(groups),
            "groups": list(groups.values()),
            "as_of": as_of,
        },
    )
    placed = {(each.metric, each.group_by): each for each in found}
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
    if await snapshot.fetch(_Unit, _SQL["units"], parameters):
        return "other_unit"
    return (await explain_absence(snapshot, company, metric, period=read_period(label), as_of=as_of)).reason or ""


def _row(
    company: Company,
    metric: Metric,
    *,
    period: str | None,
    own: _Own | None,
    group_by: GroupBy,
    group: str | None,
    place: Place | None,
    reason: str | None,
) -> StandingRow:
    score = zscore(own.value, place.group) if own and place else None
    return StandingRow(
        company=company.display,
        cik=company.cik,
        metric=metric.key,
        unit=metric.unit,
        period=period,
        period_end=own.period_end if own else None,
        value=plain(own.value) if own else None,
        group_by=group_by,
        group=group,
        rank=place.group.n - place.not_larger + 1 if place else None,
        n=place.group.n if place else None,
        percentile=plain(percentile(place.not_larger, n=place.group.n)) if place else None,
        zscore=None if score is None else plain(score),
        median=plain(place.group.median) if place else None,
        from_median=plain(from_median(own.value, place.group)) if own and place else None,
        accession=own.accession if own else None,
        known_from=own.known_from if own else None,
        flags=own.flags if own else [],
        reason=reason or (None if place else "no_group"),
    )
