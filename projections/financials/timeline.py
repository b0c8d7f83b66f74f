"""What was known when: values of one figure in half-open intervals of knowledge."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter

import msgspec


class Source(msgspec.Struct, frozen=True, gc=False):
    """One fact that went into a value, and whether it was added (1) or taken away (-1)."""

    sign: int
    concept: str | None
    start: date | None
    end: date
    value: Decimal
    accession: str


Parts = tuple[Decimal, Decimal]
"""Numerator and denominator of a ratio, in US dollars where they are money: what may be added up over companies."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """A value found at one instant, before it is known how long it held."""

    value: Decimal
    unit: str
    accession: str
    concept: str | None
    flags: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    parts: Parts | None = None


class Version(msgspec.Struct, frozen=True, gc=False):
    """A value the world held from `known_from` until `known_to` (None: still)."""

    value: Decimal
    unit: str
    known_from: datetime
    known_to: datetime | None
    accession: str
    concept: str | None
    flags: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    parts: Parts | None = None

    @staticmethod
    def of(finding: Finding, *, known_from: datetime, known_to: datetime | None) -> "Version":
        """The finding, held for an interval."""
        return Version(
            finding.value,
            finding.unit,
            known_from,
            known_to,
            finding.accession,
            finding.concept,
            finding.flags,
            finding.sources,
            finding.parts,
        )

    def finding(self) -> Finding:
        """The value without its interval."""
        return Finding(self.value, self.unit, self.accession, self.concept, self.flags, self.sources, self.parts)


Timeline = list[Version]
"""Versions in order of knowledge, not overlapping; gaps mean that nothing was known."""


def held_from(instant: datetime, finding: Finding) -> Timeline:
    """A finding that nothing later changes."""
    return [Version.of(finding, known_from=instant, known_to=None)]


def trace(instants: Iterable[datetime], find: Callable[[datetime], Finding | None]) -> Timeline:
    """
    This will ask `find` at each instant, in order, and join equal neighbouring answers.

    A value that is merely repeated by a later filing keeps the accession that first made it known; a ratio is repeated
    when its parts are, for these are added up over companies.
    """
    timeline: Timeline = []
    held: Finding | None = None
    since: datetime | None = None
    for instant in sorted(set(instants)):
        found = find(instant)
        if held is not None and found is not None and _is_repeated(found, held):
            continue
        if held is not None and since is not None:
            timeline.append(Version.of(held, known_from=since, known_to=instant))
        held, since = found, instant
    if held is not None and since is not None:
        timeline.append(Version.of(held, known_from=since, known_to=None))
    return timeline


def _is_repeated(found: Finding, held: Finding) -> bool:
    return (found.value, found.unit, found.parts) == (held.value, held.unit, held.parts)


version_age: Callable[[Version], tuple[datetime, str]] = attrgetter("known_from", "accession")
"""The order of versions from first to last known."""


def at(timeline: Timeline, instant: datetime) -> Version | None:
    """The version that held at an instant."""
    for version in timeline:
        if version.known_from <= instant and (version.known_to is None or instant < version.known_to):
            return version
    return None


def boundaries(timelines: Iterable[Timeline]) -> set[datetime]:
    """Every instant at which one of the timelines changes."""
    instants: set[datetime] = set()
    for timeline in timelines:
        for version in timeline:
            instants.add(version.known_from)
            if version.known_to is not None:
                instants.add(version.known_to)
    return instants


def covers(timeline: Timeline, since: datetime) -> bool:
    """Whether something was known at every instant from `since` on."""
    if not timeline or timeline[0].known_from > since or timeline[-1].known_to is not None:
        return False
    return all(a.known_to == b.known_from for a, b in pairwise(timeline))


def overlay(preferred: Timeline, fallback: Timeline) -> Timeline:
    """The preferred versions, and the fallback wherever there is none."""
    if not preferred:
        return fallback
    if not fallback or covers(preferred, fallback[0].known_from):
        return preferred

    def find(instant: datetime) -> Finding | None:
        version = at(preferred, instant) or at(fallback, instant)
        return version.finding() if version else None

    return trace(boundaries((preferred, fallback)), find)
