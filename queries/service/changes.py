"""What changed after a position of the log, in the order in which readers are told of it."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec

from queries.connections import ReadSources
from queries.errors import QueryError, not_reached
from queries.metrics.catalogue import load_catalogue
from queries.read_models.aggregate_fragment import plain
from queries.read_models.answer_meta import AnswerMeta
from queries.read_models.change import CHANGE, CHANGE_KINDS, ChangeKind, ChangeRow
from queries.service.arguments import Cursor, Query, argument
from queries.service.companies import find_companies
from queries.service.cursor import damaged, read_cursor, write_cursor
from queries.service.metrics import find_metrics
from queries.service.result import Result, meta_of
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("changes.sql")

_OF_FILINGS: tuple[ChangeKind, ...] = ("filing_reported", "filing_corrected", "filing_withdrawn")
_EVENT, _RESTATED, _REPLACED, _AGGREGATE, _ALL = range(5)
"""What stands at one place of the log, in the order in which it is told."""
_KEY_PARTS = {_EVENT: 1, _RESTATED: 4, _REPLACED: 0, _AGGREGATE: 2, _ALL: 0}
_AFTER = ("after_metric", "after_end", "after_days", "after_type")
_MOST_DAYS = 2**31 - 1
_LAST = 2**63 - 1
_FIELDS = 3
"""One event changes so many fields of a company at most."""
_WINDOW = 10
"""Events are read in windows that end with an event, so they hold more rows than one event has."""
_MOST_PERIODS = 12
"""The aggregates of a metric that changed for more periods at one place are told in one row."""
_EVERY_PERIOD = "every"
"""Stands in a place for the period of such a row: behind all periods, since there may be fewer on the next look."""
_MOST_AT_ONCE = 5_000
"""A page that begins with a position tells all of it, up to so many changes."""
_WITHIN_A_POSITION = (
    "this page ends within a position that brought more changes than one answer holds: go on with next_cursor, since "
    "meta.position begins it again"
)


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


class Place(NamedTuple):
    """
    How far a reader has been told: all that was told at `told_at` up to a row, or all of it.

    Places compare in the order of telling, except for `key`, whose order is the database's.
    """

    told_at: int
    position: int = _LAST
    stage: int = _ALL
    key: tuple[str, ...] = ()

    @property
    def complete_to(self) -> int:
        """The last position of which everything has been told."""
        return self.told_at if self.is_whole else self.told_at - 1

    @property
    def is_whole(self) -> bool:
        """Whether all that was told at `told_at` lies before it."""
        return self == Place(self.told_at)

    @property
    def text(self) -> str:
        """The place as the stream names it: a position where all of it was told."""
        return str(self.told_at) if self.is_whole else "/".join(map(str, (*self[:3], *self.key)))


def read_place(text: str) -> Place:
    """
    This will read what `Place.text` wrote.

    Raises:
        ValueError: it did not.
    """
    told_at, *rest = text.split("/")
    position, stage, *key = rest or (_LAST, _ALL)
    place = Place(int(told_at), int(position), int(stage), tuple(map(str, key)))
    # More is read as a number here than there is written, or the tables take.
    if not (place.text == text and "\x00" not in text and _stands_somewhere(place)):
        raise ValueError("it is no place")
    return place


def _stands_somewhere(place: Place) -> bool:
    told_at, position, stage, key = place
    if not (0 <= told_at <= _LAST and 0 <= position <= _LAST and len(key) == _KEY_PARTS.get(stage)):
        return False
    if stage != _RESTATED:
        return True
    _, end, days, _ = key
    return date.fromisoformat(end).isoformat() == end and str(int(days)) == days and 0 <= int(days) <= _MOST_DAYS


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


class ChangePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some changes and their places, how far they reach, and whether that is as far as the snapshot does."""

    rows: list[ChangeRow]
    places: list[Place]
    reached: Place
    is_last: bool

    def first(self, count: int) -> "ChangePage":
        """The page as it would be if it held so many of its changes, at least one, and no more."""
        if count >= len(self.rows):
            return self
        last, following = self.places[count - 1], self.places[count]
        reached = last if last.told_at == following.told_at else Place(following.told_at - 1)
        return ChangePage(rows=self.rows[:count], places=self.places[:count], reached=reached, is_last=False)


EVERYTHING = Wanted(
    kinds=frozenset(CHANGE_KINDS), metrics=frozenset(metric.key for metric in load_catalogue().published())
)


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    told_at: int
    position: int
    field: str
    kind: ChangeKind
    cik: int
    accession: str | None
    was: str | None
    now: str | None
    recorded_at: datetime
    company: str | None
    form: str | None
    known_at: datetime | None
    withdrawn_at: datetime | None

    @property
    def instant(self) -> datetime | None:
        """From when on the world knew of what was filed, or withdrawn."""
        return self.withdrawn_at if self.kind == "filing_withdrawn" else self.known_at


class _Restated(msgspec.Struct, frozen=True, kw_only=True):
    place: int
    metric: str
    unit: str
    period_type: str
    period: str | None
    period_start: date | None
    period_end: date
    duration_days: int
    old_value: Decimal
    value: Decimal | None
    old_accession: str
    known_from: datetime

    @property
    def key(self) -> tuple[str, ...]:
        return self.metric, self.period_end.isoformat(), str(self.duration_days), self.period_type


class _Replacement(msgspec.Struct, frozen=True, kw_only=True):
    told_at: int
    replaced_at: datetime


class _Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    told_at: int
    metric: str
    period: str | None
    groupings: list[str] | None

    @property
    def key(self) -> tuple[str, ...]:
        return self.metric, self.period or _EVERY_PERIOD


class _Horizon(msgspec.Struct, frozen=True, kw_only=True):
    position: int


type _Placed = tuple[Place, ChangeRow]


async def list_changes(sources: ReadSources, query: ChangesQuery) -> Result:
    """
    This will list what changed after a position, oldest first.

    `meta.position` is how far the answer reaches: on a page before the last, the last position told as a whole. A page
    that begins behind such a position reaches further, however many changes the next one brought.

    Raises:
        QueryError: changes are kept from a later position on only; or the tables have not come to the position.
    """
    question = msgspec.structs.replace(query, cursor=None, min_position=None)
    place = Place(query.since_position)
    if query.cursor:
        (text,) = read_cursor(question, query.cursor, tuple[str])
        try:
            place = read_place(text)
        except ValueError:
            raise damaged() from None
    async with sources.snapshot() as snapshot:
        wanted = await wanted_by(snapshot, query)
        await refuse_unknown(snapshot, query.since_position)
        page = await _page_after(snapshot, wanted, place, limit=query.limit)
        freshness = snapshot.freshness

    def told_with(page: ChangePage) -> AnswerMeta:
        is_last = page.reached == Place(freshness.position)
        next_cursor = None if is_last else write_cursor(question, (page.reached.text,))
        position = max(query.since_position, page.reached.complete_to)
        warnings = [] if is_last or position > query.since_position else [_WITHIN_A_POSITION]
        meta = meta_of(freshness, next_cursor=next_cursor, warnings=warnings)
        return msgspec.structs.replace(meta, position=position)

    return Result(
        read_model=CHANGE,
        meta=told_with(page),
        rows=page.rows,
        meta_of_first=lambda count: told_with(page.first(count)),
    )


async def _page_after(snapshot: Snapshot, wanted: Wanted, place: Place, *, limit: int) -> ChangePage:
    """Changes behind a place, whole positions of them; all of a position where the page would end in its first."""
    page = await changes_after(snapshot, wanted, place, limit=limit)
    if page.is_last or page.reached.is_whole:
        return page
    if complete := sum(own.told_at <= page.reached.complete_to for own in page.places):
        return page.first(complete)
    if not place.is_whole:
        return page
    whole = await changes_after(snapshot, wanted, place, limit=_MOST_AT_ONCE, up_to=page.reached.told_at)
    return whole if whole.is_last else page


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


async def changes_after(
    snapshot: Snapshot, wanted: Wanted, place: Place, *, limit: int, up_to: int | None = None
) -> ChangePage:
    """
    This will read the next changes behind a place, up to a position or the snapshot's.

    There may be fewer than `limit` also where more follow.
    """
    end = Place(snapshot.freshness.position if up_to is None else up_to)
    window = max(limit, _WINDOW)
    events = await _events(snapshot, wanted, place, up_to=end.told_at, limit=window + 1)
    bounded = len(events) > window
    if bounded:
        cut = events[-1].told_at, events[-1].position
        events = [event for event in events if (event.told_at, event.position) < cut]
        end = Place(events[-1].told_at, events[-1].position)
    placed = [
        *_told_events(events, wanted, place),
        *await _restated(snapshot, wanted, place, events, limit=limit + 1),
        *await _of_no_company(snapshot, wanted, place, up_to=end.complete_to, limit=limit + 1),
    ]
    placed.sort(key=lambda pair: pair[0][:3])
    page = ChangePage(
        rows=[row for _, row in placed], places=[own for own, _ in placed], reached=end, is_last=not bounded
    )
    return page.first(limit)


async def _events(snapshot: Snapshot, wanted: Wanted, place: Place, *, up_to: int, limit: int) -> list[_Event]:
    kinds = wanted.kinds | set(_OF_FILINGS) if "figure_restated" in wanted.kinds else wanted.kinds
    found = await snapshot.fetch(
        _Event,
        _SQL["events"],
        {
            "told_at": place.told_at,
            "place": place.position,
            "up_to": up_to,
            "ciks": None if wanted.ciks is None else sorted(wanted.ciks),
            "kinds": sorted(kinds),
            "limit": limit + _FIELDS,
        },
    )
    done = (place.told_at, place.position) if place.stage == _ALL else None
    return [event for event in found if (event.told_at, event.position) != done][:limit]


def _told_events(events: Sequence[_Event], wanted: Wanted, place: Place) -> Iterator[_Placed]:
    for event in events:
        own = Place(event.told_at, event.position, _EVENT, (event.field,))
        if event.kind in wanted.kinds and own > place:
            row = ChangeRow(
                position=event.position,
                kind=event.kind,
                company=event.company,
                cik=event.cik,
                accession=event.accession,
                form=event.form,
                field=event.field or None,
                was=event.was,
                now=event.now,
                known_from=event.instant or event.recorded_at,
            )
            yield own, row


async def _restated(
    snapshot: Snapshot, wanted: Wanted, place: Place, events: Sequence[_Event], *, limit: int
) -> list[_Placed]:
    filed = [(event, instant) for event in events if event.kind in _OF_FILINGS and (instant := event.instant)]
    if "figure_restated" not in wanted.kinds or not filed:
        return []
    first, _ = filed[0]
    after = place.key if place[:3] == (first.told_at, first.position, _RESTATED) else [None] * _KEY_PARTS[_RESTATED]
    found = await snapshot.fetch(
        _Restated,
        _SQL["restated"],
        {
            "cik": [event.cik for event, _ in filed],
            "accession": [event.accession for event, _ in filed],
            "instant": [instant for _, instant in filed],
            "is_withdrawn": [event.kind == "filing_withdrawn" for event, _ in filed],
            "metrics": sorted(wanted.metrics),
            **dict(zip(_AFTER, after, strict=True)),
            "limit": limit,
        },
    )
    return [_told_figure(filed[figure.place - 1][0], figure) for figure in found]


def _told_figure(event: _Event, figure: _Restated) -> _Placed:
    row = ChangeRow(
        position=event.position,
        kind="figure_restated",
        company=event.company,
        cik=event.cik,
        accession=event.accession,
        form=event.form,
        metric=figure.metric,
        unit=figure.unit,
        period=figure.period,
        period_start=figure.period_start,
        period_end=figure.period_end,
        old_value=plain(figure.old_value),
        value=None if figure.value is None else plain(figure.value),
        old_accession=figure.old_accession,
        known_from=figure.known_from,
    )
    return Place(event.told_at, event.position, _RESTATED, figure.key), row


async def _of_no_company(snapshot: Snapshot, wanted: Wanted, place: Place, *, up_to: int, limit: int) -> list[_Placed]:
    told_at = place.told_at + 1 if place == Place(place.told_at) else place.told_at
    span = {"told_at": told_at, "up_to": up_to}
    placed: list[_Placed] = []
    if "figures_replaced" in wanted.kinds:
        for replacement in await snapshot.fetch(_Replacement, _SQL["replacements"], span):
            own = Place(replacement.told_at, _LAST, _REPLACED)
            row = ChangeRow(position=replacement.told_at, kind="figures_replaced", known_from=replacement.replaced_at)
            if own > place:
                placed.append((own, row))
    if "aggregate_changed" in wanted.kinds:
        metric, period = place.key if place.stage == _AGGREGATE else (None, None)
        asked = {
            **span,
            "metrics": sorted(wanted.metrics),
            "most_periods": _MOST_PERIODS,
            "every_period": _EVERY_PERIOD,
            "after_metric": metric,
            "after_period": period,
            "limit": limit,
        }
        for cell in await snapshot.fetch(_Aggregate, _SQL["aggregates"], asked):
            row = ChangeRow(
                position=cell.told_at,
                kind="aggregate_changed",
                metric=cell.metric,
                period=cell.period,
                groupings=cell.groupings,
            )
            placed.append((Place(cell.told_at, _LAST, _AGGREGATE, cell.key), row))
    return placed
