"""
Commands of several senders in one transaction.

# Note [decided unlocked]

A group asks for what is known and writes what it has decided, in one statement each. Nothing is locked between the two,
while Python decides. What is asked comes from one snapshot, and what is known of a company and its filings changes only
with the version of its stream. So it is enough that a stream still stands at the version decided on once the writing
statement has locked it: nobody has written in between, and nothing it was decided on is out of date. The commands of
streams that have moved on, or that somebody else is writing to, have had no effect then and are left to their senders.

Which other companies are registered is not of the stream, but none ever ceases to be.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from commands.companies.state import CompanyState, save_acceptances, save_companies
from commands.dispatch import ACCEPTED_STATUS, Accepted, accepted, last_event_ids, load_overlaid, request_hash
from commands.errors import CommandError
from commands.event_log.append import NewEvent, open_streams
from commands.filings.state import FilingState
from commands.idempotency import store_answers
from commands.messages import Event
from commands.sql import load_statements
from commands.working_set import Request, WorkingSet, companies_named, filings_named, opened_by, stream_of

logger = logging.getLogger(__name__)
_SQL = load_statements("commands", "together.sql")


class _Found(msgspec.Struct, frozen=True):
    heads: list[tuple[str, int]]
    companies: list[CompanyState]
    filings: list[tuple[int, str, FilingState]]
    acceptances: list[tuple[int, str, datetime]]
    keys: set[str]


_found = msgspec.json.Decoder(_Found)


class _Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one request of a group came to before any of it is written; its stream then stands at `last_version`."""

    request: Request
    stream: str
    decided: list[Event] | CommandError
    last_version: int
    settled: Accepted | None = None
    """The answer, where no event is needed."""

    @property
    def versions(self) -> range:
        """Of its events."""
        events = 0 if isinstance(self.decided, CommandError) else len(self.decided)
        return range(self.last_version - events + 1, self.last_version + 1)


def dispatch_together(
    connection: psycopg.Connection,
    take: Callable[[], Sequence[Request]],
    *,
    now: Callable[[], datetime],
    before_writing: Callable[[], None] = lambda: None,
) -> list[Accepted | CommandError | None]:
    """
    This will carry out requests of several senders in one transaction and return an outcome for each.

    Call it with an autocommit connection. `take` is called once, then `now`, so that no request comes after it, and
    `before_writing` when all is decided. Each request is answered as if it had come alone, those before it in the list
    first. None stands for what has to be dispatched alone, and has had no effect: requests whose stream somebody else
    is writing to, those with a key that was used before, and all of them where the database refused what one of them
    brought.

    Raises:
        psycopg.OperationalError: the connection was lost; whether anything took effect is not known.
    """
    requests = take()
    try:
        known, used, opens = _ask(connection, requests, now=now())
        shares, new = _decide(connection, requests, known=known, used=used)
        before_writing()
        opens &= {event.stream for event in new}
        ids = _write(connection, [share for share in shares if share is not None], new, known=known, opens=opens)
    except Exception as failure:
        if connection.closed:
            raise
        logger.warning("%d commands go alone, their shared transaction failed: %s", len(requests), failure)
        return [None] * len(requests)
    lost = {event.stream for event in new} - {stream for stream, _ in ids}
    return [_outcome(share, ids=ids) if share is not None and share.stream not in lost else None for share in shares]


def _ask(
    connection: psycopg.Connection, requests: Sequence[Request], *, now: datetime
) -> tuple[WorkingSet, set[str], set[str]]:
    """This will return what is known, the keys used before, and the streams that would be opened."""
    commands = [request.command for request in requests]
    asked = {
        "streams": _array(sorted({stream_of(command.cik) for command in commands})),
        "ciks": _array(sorted(companies_named(commands))),
        "filings": _json([{"cik": cik, "accession": accession} for cik, accession in filings_named(commands)]),
        "keys": _json({request.idempotency_key for request in requests if request.idempotency_key is not None}),
    }
    row = connection.execute(_SQL["what_is_known"], asked, prepare=True).fetchone()
    found = _found.decode(row[0] if row else "")
    heads = dict(found.heads)
    opens = opened_by(requests) - heads.keys()
    known = WorkingSet(
        now=now,
        heads=heads | dict.fromkeys(opens, 0),
        companies={state.cik: state for state in found.companies},
        filings={(cik, accession): state for cik, accession, state in found.filings},
        acceptances={(cik, accession): accepted_at for cik, accession, accepted_at in found.acceptances},
    )
    load_overlaid(connection, known, commands)
    return known, found.keys, opens


def _decide(
    connection: psycopg.Connection, requests: Sequence[Request], *, known: WorkingSet, used: Collection[str]
) -> tuple[list[_Share | None], list[NewEvent]]:
    taken = set(used)
    joining: list[int] = []
    for place, request in enumerate(requests):
        if request.idempotency_key is None or request.idempotency_key not in taken:
            joining.append(place)
            if request.idempotency_key is not None:
                taken.add(request.idempotency_key)
    decided, new = known.decide([requests[place] for place in joining])
    versions = dict(known.heads)
    moving = {event.stream for event in new}
    streams = [stream_of(requests[place].command.cik) for place in joining]
    idle = {
        stream: versions[stream]
        for stream, events in zip(streams, decided, strict=True)
        if events == [] and stream not in moving
    }
    last_ids = last_event_ids(connection, idle)
    shares: list[_Share | None] = [None] * len(requests)
    for place, stream, events in zip(joining, streams, decided, strict=True):
        settled: Accepted | None = None
        if events == []:
            # What the stream's last event will be called is not known while another of the group is to write it.
            if stream in moving:
                continue
            settled = accepted(stream, version=versions[stream], event_ids=(), last_id=last_ids.get(stream))
        elif not isinstance(events, CommandError):
            versions[stream] += len(events)
        shares[place] = _Share(
            request=requests[place],
            stream=stream,
            decided=events,
            last_version=versions.get(stream, 0),
            settled=settled,
        )
    return shares, new


def _write(
    connection: psycopg.Connection,
    shares: Sequence[_Share],
    new: Sequence[NewEvent],
    *,
    known: WorkingSet,
    opens: Collection[str],
) -> dict[tuple[str, int], int]:
    """This will return the ids of the events written, by stream and version."""
    keyed = {
        share.request.idempotency_key: share
        for share in shares
        if share.request.idempotency_key is not None and not isinstance(share.decided, CommandError)
    }
    if not (opens or keyed or known.changed_companies or known.changed_acceptances):
        return _write_events(connection, new, known=known)
    with connection.transaction():
        connection.execute(_SQL["wait_briefly"], prepare=True)
        open_streams(connection, opens)
        ids = _write_events(connection, new, known=known)
        held = {stream for stream, _ in ids}
        save_companies(
            connection, [known.companies[cik] for cik in sorted(known.changed_companies) if stream_of(cik) in held]
        )
        save_acceptances(
            connection,
            {filing: at for filing, at in known.changed_acceptances.items() if stream_of(filing[0]) in held},
        )
        store_answers(
            connection,
            status=ACCEPTED_STATUS,
            answers={
                key: (
                    request_hash(share.request.command, expected_version=share.request.expected_version),
                    _json(_outcome(share, ids=ids)),
                )
                for key, share in keyed.items()
                if share.settled is not None or share.stream in held
            },
        )
    return ids


def _write_events(
    connection: psycopg.Connection, new: Sequence[NewEvent], *, known: WorkingSet
) -> dict[tuple[str, int], int]:
    if not new:
        return {}
    versions: dict[str, int] = {}
    events: list[dict[str, Any]] = []
    for event in new:
        version = versions[event.stream] = versions.get(event.stream, known.heads[event.stream]) + 1
        events.append(
            {
                "stream": event.stream,
                "version": version,
                "type": event.type,
                "schema_version": event.schema_version,
                "data": msgspec.Raw(event.data),
                "size": len(event.data),
                "meta": msgspec.Raw(event.meta.encode()),
            }
        )
    for (cik, accession), change in known.changed_filings.items():
        state = known.filings[cik, accession]
        events[change.last] |= {
            "cik": cik,
            "accession": accession,
            "content_hash": state.content_hash,
            "source": state.source,
            "content_version": None if change.content is None else events[change.content]["version"],
            "content_event_id": state.event_id,
            "withdrawn": state.withdrawn,
        }
    written = {"streams": _array(sorted(versions)), "events": _json(events)}
    rows = connection.execute(_SQL["write_decided"], written, prepare=True)
    return {(stream, version): event_id for stream, version, event_id in rows}


def _outcome(share: _Share, *, ids: Mapping[tuple[str, int], int]) -> Accepted | CommandError:
    if isinstance(share.decided, CommandError):
        return share.decided
    if share.settled is not None:
        return share.settled
    mine = tuple(ids[share.stream, version] for version in share.versions)
    return accepted(share.stream, version=share.last_version, event_ids=mine, last_id=mine[-1])


def _array(values: Iterable[str | int]) -> str:
    """A literal of an array of what needs no quotes."""
    return f"{{{','.join(map(str, values))}}}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
