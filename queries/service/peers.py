"""Which companies are like one: of the same group, and of about its size."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from queries.connections import ReadSources
from queries.read_models.aggregate_fragment import plain
from queries.read_models.peer import PEER, PeerRow
from queries.service.arguments import AsOf, argument
from queries.service.asked_period import LATEST_OR_PERIOD_PATTERN, AskedPeriod, read_period_or_latest
from queries.service.companies import CompanyQuery, as_known_at, find_company
from queries.service.frame_query import COMPARED_PERIODS
from queries.service.group_figures import ratio
from queries.service.members import MembersAsked, members_meant, not_for, statements_by_members
from queries.service.metrics import find_metrics
from queries.service.own_values import LATEST, as_classified, own_values, periods_meant
from queries.service.result import Result, meta_of

_SQL = statements_by_members("peers.sql")

_WIDER = {"industry": "major_group", "major_group": "sector"}


class PeersQuery(CompanyQuery, frozen=True, kw_only=True):
    """Whose peers, in which group, by which size."""

    by: Annotated[
        Literal["industry", "major_group", "sector"],
        argument("What peers have in common.", example="industry"),
    ] = "industry"
    size_metric: Annotated[
        str, argument("Key of the metric that tells the size.", example="revenue", max_length=60, of="MetricKey")
    ] = "revenue"
    period: Annotated[
        AskedPeriod | None,
        argument(
            f"{COMPARED_PERIODS} {LATEST}",
            example="latest",
            pattern=LATEST_OR_PERIOD_PATTERN,
            read=read_period_or_latest,
        ),
    ] = None
    members: MembersAsked = None
    as_of: AsOf = None
    limit: Annotated[int, argument("How many peers.", example=10, ge=1, le=100)] = 10


class _Peer(msgspec.Struct, frozen=True, kw_only=True):
    company: str
    cik: int
    value: Decimal
    period_end: date
    accession: str
    flags: list[str]


async def find_peers(sources: ReadSources, query: PeersQuery) -> Result:
    """
    This will give the companies of the same group that are nearest in size, the nearest first.

    Raises:
        QueryError: the company or the metric is unknown, or no such period can have a value.
    """
    metric = find_metrics((query.size_metric,))[0]
    members = members_meant(query.members, as_of=query.as_of)
    async with sources.snapshot() as snapshot:
        (company,) = await as_known_at(snapshot, [await find_company(snapshot, query.company)], query.as_of)
        company = await as_classified(snapshot, company, members=members, as_of=query.as_of)
        periods, warnings = await periods_meant(snapshot, company, [metric], period=query.period, as_of=query.as_of)
        found = await own_values(snapshot, company, [metric], periods=periods, members=members, as_of=query.as_of)
        own = found.get(metric.key)
        group = (own or company).group(query.by)
        peers: list[_Peer] = []
        if group is None:
            warnings.append(f"{company.display} is in no {query.by}")
        elif own is None or own.value <= 0:
            when = periods.get(metric.key, "any period")
            warnings.append(f"{company.display} has no {metric.key} above zero in {metric.unit} for {when}")
        else:
            peers = await snapshot.fetch(
                _Peer,
                _SQL[members]["nearest"],
                {
                    "metric": metric.key,
                    "period": periods[metric.key],
                    "unit": metric.unit,
                    "as_of": query.as_of,
                    "not_for": not_for(metric),
                    "group_by": query.by,
                    "group": group,
                    "own": own.value,
                    "cik": company.cik,
                    "limit": query.limit,
                },
            )
            if not peers:
                size = f"{metric.key} above zero in {metric.unit} for {periods[metric.key]}"
                nobody = f"nobody else in {query.by} {group} has {size}"
                warnings.append(f"{nobody}; ask by={_WIDER[query.by]}" if query.by in _WIDER else nobody)
        return Result(
            read_model=PEER,
            meta=meta_of(snapshot.freshness, as_of=query.as_of, warnings=warnings),
            rows=[
                PeerRow(
                    company=peer.company,
                    cik=peer.cik,
                    group_by=query.by,
                    group=group,
                    metric=metric.key,
                    unit=metric.unit,
                    period=periods[metric.key],
                    period_end=peer.period_end,
                    value=plain(peer.value),
                    own_value=plain(own.value),
                    ratio=plain(ratio(peer.value, own.value)),
                    accession=peer.accession,
                    flags=peer.flags,
                    members=members,
                )
                for peer in peers
                if group is not None and own is not None
            ],
        )
