"""The changes behind a place: events, the figures they restated, and what no one event brought."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from queries.read_models.aggregate_fragment import plain
from queries.read_models.change import ChangeKind, ChangeRow
from queries.service.change_place import AGGREGATE, ALL, EVENT, LAST, REPLACED, RESTATED, RESTATED_KEY_PARTS, Place
from queries.service.change_query import Wanted
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("changes.sql")

_OF_FILINGS: tuple[ChangeKind, ...] = ("filing_reported", "filing_corrected", "filing_withdrawn")
_AFTER = ("after_metric", "after_end", "after_days", "after_type")
_FIELDS = 3
"""One event changes so many fields of a company at most."""
_WINDOW = 10
"""Events are read in windows that end with an event, so they hold more rows than one event has."""
_MOST_PERIODS = 12
"""The aggregates of a metric that changed for more periods at one place are told in one row."""
_EVERY_PERIOD = "every"
"""Stands in a place for the period of such a row: behind all periods, since there may be fewer on the next look."""


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


type _Placed = tuple[Place, ChangeRow]


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
    done = (place.told_at, place.position) if place.stage == ALL else None
    return [event for event in found if (event.told_at, event.position) != done][:limit]


def _told_events(events: Sequence[_Event], wanted: Wanted, place: Place) -> Iterator[_Placed]:
    for event in events:
        own = Place(event.told_at, event.position, EVENT, (event.field,))
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
    after = place.key if place[:3] == (first.told_at, first.position, RESTATED) else [None] * RESTATED_KEY_PARTS
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
    return Place(event.told_at, event.position, RESTATED, figure.key), row


async def _of_no_company(snapshot: Snapshot, wanted: Wanted, place: Place, *, up_to: int, limit: int) -> list[_Placed]:
    told_at = place.told_at + 1 if place == Place(place.told_at) else place.told_at
    span = {"told_at": told_at, "up_to": up_to}
    placed: list[_Placed] = []
    if "figures_replaced" in wanted.kinds:
        for replacement in await snapshot.fetch(_Replacement, _SQL["replacements"], span):
            own = Place(replacement.told_at, LAST, REPLACED)
            row = ChangeRow(position=replacement.told_at, kind="figures_replaced", known_from=replacement.replaced_at)
            if own > place:
                placed.append((own, row))
    if "aggregate_changed" in wanted.kinds:
        metric, period = place.key if place.stage == AGGREGATE else (None, None)
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
            placed.append((Place(cell.told_at, LAST, AGGREGATE, cell.key), row))
    return placed
