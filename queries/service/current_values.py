"""What one company stands for now, by some metrics: in one statement, for the questions that are asked most."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

import msgspec

from queries.connections import ReadSources
from queries.metrics.catalogue import Metric
from queries.metrics.groupings import GROUPINGS
from queries.service.companies import Company, cik_of
from queries.service.own_values import OwnValue, latest_kind
from queries.service.statements import load_statements
from queries.tables import Freshness

_SQL = load_statements("current_values.sql")

_GROUPINGS = list(GROUPINGS)


class CompanyValues(msgspec.Struct, frozen=True, kw_only=True):
    """A company, what it stands for by each metric it has, and in which period; `version` is that of the figures."""

    freshness: Freshness
    version: int
    company: Company
    periods: Mapping[str, str]
    own: Mapping[str, OwnValue]


class _Row(Company, frozen=True, kw_only=True):
    seq: int
    position: int
    fresh_at: datetime
    lag_ms: int
    parked_streams: int
    metric: str
    period: str
    period_end: date
    value: Decimal
    accession: str
    known_from: datetime
    flags: list[str]
    unchanged_since: list[int]


async def current_values(
    sources: ReadSources, reference: str, metrics: Sequence[Metric], *, periods: Mapping[str, str]
) -> CompanyValues | None:
    """
    This will give what a company has of every metric, each in the period named for it or else in its latest.

    None unless one company is meant, by CIK or ticker, and has them all; why not is for a snapshot to find out, and so
    is whether events of the company wait.
    """
    version = sources.tables.version
    if version is None:
        return None
    cik = cik_of(reference)
    rows = await sources.tables.fetch_alone(
        _Row,
        _statement(version),
        {
            "version": version,
            "cik": cik,
            "ticker": reference if cik is None else None,
            "metrics": [metric.key for metric in metrics],
            "periods": [periods.get(metric.key) for metric in metrics],
            "units": [metric.unit for metric in metrics],
            "kinds": [latest_kind(metric) for metric in metrics],
            "group_bys": _GROUPINGS,
        },
    )
    if not rows or len(rows) != len(metrics):
        return None
    company = rows[0]
    return CompanyValues(
        freshness=Freshness(
            company.seq, company.position, company.fresh_at.astimezone(UTC), company.lag_ms, company.parked_streams
        ),
        version=version,
        company=company,
        periods={row.metric: row.period for row in rows},
        own={row.metric: msgspec.convert(row, OwnValue, from_attributes=True) for row in rows},
    )


@cache
def _statement(version: int) -> bytes:
    return _SQL["current_values"].replace(b"{figures}", b"figures_v%d" % version)
