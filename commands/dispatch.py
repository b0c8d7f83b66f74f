"""The way in: check, lock, load, decide, append."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
import psycopg

from commands.catalog import COMMANDS
from commands.companies import state as companies
from commands.errors import CommandError
from commands.event_log.append import append_events, ask_locks, lock_streams
from commands.filings import state as filings
from commands.idempotency import once
from commands.messages import Command, Event
from commands.sql import load_statements
from commands.tracing import continued, current_meta
from commands.working_set import Request, WorkingSet, companies_named, filings_named, opened_by, stream_of

_SQL = load_statements("commands", "dispatch.sql")
ACCEPTED_STATUS = 202


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """
    A command took effect, or needed none: then there are no event ids.

    `version` is the stream's version afterwards. `position_token` may be given to a reader who wants an answer
    that contains this command's effect, or that of the stream's last event where there was none.
    """

    event_ids: tuple[int, ...]
    stream: str
    version: int
    position_token: str | None


def request_hash(command: Command, *, expected_version: int | None = None) -> bytes:
    """This will return 16 bytes that differ for commands that differ."""
    text = msgspec.json.encode((type(command).__name__, command, expected_version))
    return hashlib.blake2b(text, digest_size=16).digest()


def dispatch(
    connection: psycopg.Connection,
    command: Command,
    *,
    idempotency_key: str | None = None,
    expected_version: int | None = None,
    now: datetime,
) -> Accepted:
    """
    This will carry out one command in one transaction.

    With an idempotency key the same command has its effect once and every sender gets the same answer.

    Raises:
        CommandError: the command was refused and nothing was written.
    """
    definition = COMMANDS[type(command).__name__]
    command = definition.checked(command)

    def carry_out() -> Accepted:
        request = Request(command=command, expected_version=expected_version, meta=current_meta())
        (outcome,) = _carry_out(connection, [request], now=now)
        if isinstance(outcome, CommandError):
            raise outcome
        return outcome

    with continued("dispatch", attributes={"factfold.command": type(command).__name__}):
        if idempotency_key is None:
            return carry_out()
        response = once(
            connection,
            key=idempotency_key,
            request_hash=request_hash(command, expected_version=expected_version),
            status=ACCEPTED_STATUS,
            work=lambda: msgspec.json.encode(carry_out()).decode(),
        )
    return msgspec.json.decode(response, type=Accepted)


def dispatch_many(
    connection: psycopg.Connection, commands: Sequence[Command], *, now: datetime
) -> list[Accepted | CommandError]:
    """
    This will carry out commands in order in one transaction and return an outcome for each.

    A command that is refused has no effect and does not keep the others from theirs. Commands see the effects of
    those before them.
    """
    outcomes: list[Accepted | CommandError | None] = []
    sound: list[Request] = []
    for command in commands:
        try:
            sound.append(Request(command=COMMANDS[type(command).__name__].checked(command)))
            outcomes.append(None)
        except CommandError as refusal:
            outcomes.append(refusal)
    done = iter(dispatch_requests(connection, sound, now=now))
    return [next(done) if outcome is None else outcome for outcome in outcomes]


def dispatch_requests(
    connection: psycopg.Connection, requests: Sequence[Request], *, now: datetime
) -> list[Accepted | CommandError]:
    """This will do for one sender's requests what `dispatch_many` does for commands."""
    if not requests:
        return []
    with continued("dispatch", attributes={"factfold.commands": len(requests)}):
        meta = current_meta()
        return _carry_out(connection, [msgspec.structs.replace(request, meta=meta) for request in requests], now=now)


def hold_streams(connection: psycopg.Connection, requests: Collection[Request]) -> None:
    """
    This will open and lock the streams of requests until the surrounding transaction ends.

    Call it before these are dispatched in several parts of one transaction: part by part, streams would not be taken
    in the order in which every writer takes them (Note [append order]).
    """
    lock_streams(connection, {stream_of(request.command.cik) for request in requests}, opening=opened_by(requests))


def _carry_out(
    connection: psycopg.Connection, requests: Sequence[Request], *, now: datetime
) -> list[Accepted | CommandError]:
    # A session lost at its rollback would let the exception through; the server has rolled back all the same.
    with suppress(psycopg.Rollback), connection.transaction() as transaction:
        with connection.pipeline():
            known = _known(connection, requests, now=now)
            decided, new = known.decide(requests)
            event_ids = append_events(connection, new, heads=known.heads)
            _save(connection, known, event_ids=event_ids)
            outcomes = _outcomes(connection, requests, decided, event_ids=event_ids, heads=known.heads)
        if all(isinstance(outcome, CommandError) for outcome in outcomes):
            raise psycopg.Rollback(transaction)
    return outcomes


def _known(connection: psycopg.Connection, requests: Sequence[Request], *, now: datetime) -> WorkingSet:
    """This will lock the requests' streams and load what they need; in a pipeline that takes one round trip."""
    commands = [request.command for request in requests]
    asked_heads = ask_locks(connection, {stream_of(command.cik) for command in commands}, opening=opened_by(requests))
    wanted = filings_named(commands)
    asked_companies = companies.ask_companies(connection, companies_named(commands))
    asked_filings = filings.ask_filings(connection, wanted) if wanted else dict
    asked_acceptances = companies.ask_acceptances(connection, wanted) if wanted else dict
    known = WorkingSet(
        now=now,
        heads=asked_heads(),
        companies=asked_companies(),
        filings=asked_filings(),
        acceptances=asked_acceptances(),
    )
    load_overlaid(connection, known, commands)
    return known


def load_overlaid(connection: psycopg.Connection, known: WorkingSet, commands: Sequence[Command]) -> None:
    """This will load the facts of filings that are to be laid over."""
    if overlaid := known.overlaid(commands):
        facts = filings.load_facts(connection, {known.filings[filing].event_id for filing in overlaid})
        for filing in overlaid:
            state = known.filings[filing]
            known.filings[filing] = msgspec.structs.replace(state, facts=facts[state.event_id])


def _save(connection: psycopg.Connection, known: WorkingSet, *, event_ids: Sequence[int]) -> None:
    companies.save_companies(connection, [known.companies[cik] for cik in sorted(known.changed_companies)])
    companies.save_acceptances(connection, known.changed_acceptances)
    filings.save_filings(
        connection,
        {
            filing: known.filings[filing]
            if change.content is None
            else msgspec.structs.replace(known.filings[filing], event_id=event_ids[change.content])
            for filing, change in known.changed_filings.items()
        },
    )


def last_event_ids(connection: psycopg.Connection, versions: Mapping[str, int]) -> dict[str, int]:
    """This will return the ids of the events at these versions of their streams."""
    if not versions:
        return {}
    asked = {"streams": list(versions), "versions": list(versions.values())}
    return dict(connection.execute(_SQL["last_event_ids"], asked).fetchall())


def _outcomes(
    connection: psycopg.Connection,
    requests: Sequence[Request],
    decided: Sequence[list[Event] | CommandError],
    *,
    event_ids: Sequence[int],
    heads: Mapping[str, int],
) -> list[Accepted | CommandError]:
    version = dict(heads)
    streams = [stream_of(request.command.cik) for request in requests]
    idle = {stream: version[stream] for stream, events in zip(streams, decided, strict=True) if events == []}
    last_id = last_event_ids(connection, idle)
    ids = iter(event_ids)
    outcomes: list[Accepted | CommandError] = []
    for stream, events in zip(streams, decided, strict=True):
        if isinstance(events, CommandError):
            outcomes.append(events)
            continue
        mine = tuple(next(ids) for _ in events)
        version[stream] += len(mine)
        if mine:
            last_id[stream] = mine[-1]
        outcomes.append(accepted(stream, version=version[stream], event_ids=mine, last_id=last_id.get(stream)))
    return outcomes


def accepted(stream: str, *, version: int, event_ids: tuple[int, ...], last_id: int | None) -> Accepted:
    """This will say what a command came to whose stream has come to `version`, its last event being `last_id`."""
    token = None if last_id is None else f"event-{last_id}"
    return Accepted(event_ids=event_ids, stream=stream, version=version, position_token=token)
