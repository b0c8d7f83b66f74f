"""Which changes a reader asks for, since when, and what the words mean in the tables."""

from typing import Annotated

import msgspec

from queries.errors import QueryError, not_reached
from queries.metrics.catalogue import load_catalogue
from queries.read_models.change import CHANGE_KINDS, ChangeKind, ChangeRow
from queries.service.arguments import Cursor, Query, argument
from queries.service.companies import find_companies
from queries.service.metrics import find_metrics
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("changes.sql")


class ChangesWanted(Query, frozen=True, kw_only=True):
    """Which changes a reader cares about."""

    companies: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=200)], ...] | None,
        argument(
            "Only changes of these companies (CIK, ticker or exact name); aggregates then only where kinds names them.",
            example=["AAPL", "MSFT"],
            min_length=1,
            max_length=100,
        ),
    ] = None
    metrics: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=60)], ...] | None,
        argument(
            "Restated figures and aggregates of these metrics only.",
            example=["revenue", "net_income"],
            min_length=1,
            max_length=100,
            of="MetricKey",
        ),
    ] = None
    kinds: Annotated[
        tuple[ChangeKind, ...] | None,
        argument(
            "Only changes of these kinds.",
            example=["filing_reported", "figure_restated"],
            min_length=1,
            max_length=len(CHANGE_KINDS),
        ),
    ] = None


class ChangesQuery(ChangesWanted, frozen=True, kw_only=True):
    """Since when, and which changes."""

    since_position: Annotated[
        int,
        argument(
            "Changes after this position: meta.position of the answer you hold, or of the last answer here.",
            example=30,
            ge=0,
            le=2**63 - 1,
        ),
    ]
    limit: Annotated[
        int,
        argument(
            "Changes a page; more where one position brought more, as far as they fit.", example=100, ge=1, le=1000
        ),
    ] = 100
    cursor: Cursor = None


class StreamQuery(ChangesWanted, frozen=True, kw_only=True):
    """From when on to be told, and of which changes."""

    since_position: Annotated[
        int | None,
        argument(
            "Begin with the changes after this position; without it, with the next one. A Last-Event-ID comes first.",
            example=30,
            ge=0,
            le=2**63 - 1,
        ),
    ] = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which changes a reader cares about, in the words of the tables."""

    kinds: frozenset[ChangeKind]
    metrics: frozenset[str]
    ciks: frozenset[int] | None = None

    def __contains__(self, row: ChangeRow) -> bool:
        return (
            row.kind in self.kinds
            and (row.metric is None or row.metric in self.metrics)
            and (self.ciks is None or row.cik is None or row.cik in self.ciks)
        )


EVERYTHING = Wanted(
    kinds=frozenset(CHANGE_KINDS), metrics=frozenset(metric.key for metric in load_catalogue().published())
)


class _Horizon(msgspec.Struct, frozen=True, kw_only=True):
    position: int


async def wanted_by(snapshot: Snapshot, query: ChangesWanted) -> Wanted:
    """
    This will find what a reader's words mean.

    Raises:
        QueryError: there is no such company or metric.
    """
    kinds, ciks, metrics = EVERYTHING.kinds, None, EVERYTHING.metrics
    if query.companies is not None:
        ciks = frozenset(company.cik for company in await find_companies(snapshot, query.companies))
        kinds -= {"aggregate_changed"}
    if query.kinds is not None:
        kinds = frozenset(query.kinds)
    if query.metrics is not None:
        metrics = frozenset(metric.key for metric in find_metrics(query.metrics))
    return Wanted(kinds=kinds, metrics=metrics, ciks=ciks)


async def refuse_unknown(snapshot: Snapshot, since_position: int) -> None:
    """
    This will refuse a position since which the tables do not know what changed.

    Raises:
        QueryError: it is one they have not come to, or one before changes were kept.
    """
    reached = snapshot.freshness.position
    if since_position > reached:
        raise not_reached(since_position, reached=reached)
    horizon = await snapshot.fetch(_Horizon, _SQL["horizon"], {})
    if horizon and since_position < horizon[0].position:
        raise QueryError(
            code="changes_expired",
            message=f"changes are kept from position {horizon[0].position} on, not from {since_position}",
            fix=f"Ask anew for what you hold, then for changes since the position of that answer. "
            f"`manage.py rebuild figures` finds those before {horizon[0].position}.",
            position=horizon[0].position,
        )
