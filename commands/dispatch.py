"""The way in: check, lock, load, decide, append."""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
import psycopg
from django.conf import settings

from commands.catalog import COMMANDS, CommandDefinition
from commands.companies import state as companies
from commands.errors import CommandError
from commands.event_log.append import NewEvent, StreamHead, append_events, check_version, lock_streams
from commands.filings import state as filings
from commands.filings.report_filing import ReportFiling, lays_over
from commands.idempotency import once
from commands.messages import Command, Event
from commands.situation import Situation
from commands.sql import load_statements
from commands.tracing import continued, current_meta

_SQL = load_statements("commands", "dispatch.sql")


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


def stream_of(cik: int) -> str:
    """This will name the stream in which a company's events stand."""
    return f"company-{cik}"


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
        (outcome,) = _carry_out(connection, [command], expected_version=expected_version, now=now)
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
            status=202,
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
    sound: list[Command] = []
    for command in commands:
        try:
            sound.append(COMMANDS[type(command).__name__].checked(command))
            outcomes.append(None)
        except CommandError as refusal:
            outcomes.append(refusal)
    with continued("dispatch", attributes={"factfold.commands": len(commands)}):
        done = iter(_carry_out(connection, sound, expected_version=None, now=now) if sound else ())
    return [next(done) if outcome is None else outcome for outcome in outcomes]


def _carry_out(
    connection: psycopg.Connection, commands: Sequence[Command], *, expected_version: int | None, now: datetime
) -> list[Accepted | CommandError]:
    # A session lost at its rollback would let the exception through; the server has rolled back all the same.
    with suppress(psycopg.Rollback), connection.transaction() as transaction:
        outcomes = _decide_and_append(connection, commands, expected_version=expected_version, now=now)
        if all(isinstance(outcome, CommandError) for outcome in outcomes):
            raise psycopg.Rollback(transaction)
    return outcomes


def _decide_and_append(
    connection: psycopg.Connection, commands: Sequence[Command], *, expected_version: int | None, now: datetime
) -> list[Accepted | CommandError]:
    definitions = [COMMANDS[type(command).__name__] for command in commands]
    heads = lock_streams(
        connection,
        {stream_of(command.cik) for command in commands},
        opening=_opened(commands, definitions),
        shards=settings.FACTFOLD.shards,
    )
    known = _WorkingSet(connection, commands, now=now)
    decided: list[list[Event] | CommandError] = []
    for command, definition in zip(commands, definitions, strict=True):
        stream = stream_of(command.cik)
        try:
            if expected_version is not None:
                head = heads.get(stream) or StreamHead(stream=stream, version=0, shard=0)
                check_version(head, expected=expected_version)
            events = definition.decide(known.situation(command), command)
        except CommandError as refusal:
            decided.append(refusal)
            continue
        known.absorb(events)
        decided.append(events)

    event_ids = append_events(
        connection,
        [
            NewEvent(stream=stream_of(event.cik), type=type(event).__name__, data=msgspec.json.encode(event))
            for events in decided
            if not isinstance(events, CommandError)
            for event in events
        ],
        heads=heads,
        meta=current_meta(),
    )
    known.save(event_ids)
    return _outcomes(connection, commands, decided, event_ids=event_ids, heads=heads)


def _opened(commands: Iterable[Command], definitions: Iterable[CommandDefinition]) -> set[str]:
    return {
        stream_of(command.cik)
        for command, definition in zip(commands, definitions, strict=True)
        if definition.opens_stream
    }


def _outcomes(
    connection: psycopg.Connection,
    commands: Sequence[Command],
    decided: Sequence[list[Event] | CommandError],
    *,
    event_ids: Sequence[int],
    heads: dict[str, StreamHead],
) -> list[Accepted | CommandError]:
    version = {stream: head.version for stream, head in heads.items()}
    idle = {
        stream_of(command.cik): version[stream_of(command.cik)]
        for command, events in zip(commands, decided, strict=True)
        if events == []
    }
    last_id: dict[str, int] = {}
    if idle:
        rows = connection.execute(_SQL["last_event_ids"], {"streams": list(idle), "versions": list(idle.values())})
        last_id = dict(rows.fetchall())
    ids = iter(event_ids)
    outcomes: list[Accepted | CommandError] = []
    for command, events in zip(commands, decided, strict=True):
        if isinstance(events, CommandError):
            outcomes.append(events)
            continue
        stream = stream_of(command.cik)
        mine = tuple(next(ids) for _ in events)
        version[stream] += len(mine)
        if mine:
            last_id[stream] = mine[-1]
        token = f"event-{last_id[stream]}" if stream in last_id else None
        outcomes.append(Accepted(event_ids=mine, stream=stream, version=version[stream], position_token=token))
    return outcomes


class _WorkingSet:
    """What is known of the companies and filings of one transaction, including what it has just decided."""

    def __init__(self, connection: psycopg.Connection, commands: Sequence[Command], *, now: datetime) -> None:
        self._connection = connection
        self._now = now
        wanted = sorted({(command.cik, accession) for command in commands for accession in command.accessions()})
        named = {cik for command in commands for cik in (command.cik, *command.other_companies())}
        self._companies = companies.load_companies(connection, named)
        self._filings: dict[tuple[int, str], filings.FilingState] = {}
        self._acceptances: dict[tuple[int, str], datetime] = {}
        if wanted:
            self._filings = filings.load_filings(connection, wanted)
            self._acceptances = companies.load_acceptances(connection, wanted)
        self._load_facts(commands)
        self._changed_companies: set[int] = set()
        self._changed_filings: dict[tuple[int, str], int | None] = {}
        self._changed_acceptances: dict[tuple[int, str], datetime] = {}
        self._events = 0

    def _load_facts(self, commands: Sequence[Command]) -> None:
        overlaid = {
            (command.cik, command.accession)
            for command in commands
            if isinstance(command, ReportFiling)
            and lays_over(self._filings.get((command.cik, command.accession)), command)
        }
        if overlaid:
            facts = filings.load_facts(self._connection, {self._filings[filing].event_id for filing in overlaid})
            for filing in overlaid:
                state = self._filings[filing]
                self._filings[filing] = msgspec.structs.replace(state, facts=facts[state.event_id])

    def situation(self, command: Command) -> Situation:
        accessions = command.accessions()
        return Situation(
            now=self._now,
            company=self._companies.get(command.cik),
            filing=self._filings.get((command.cik, accessions[0])) if len(accessions) == 1 else None,
            acceptances={
                accession: self._acceptances[command.cik, accession]
                for accession in accessions
                if (command.cik, accession) in self._acceptances
            },
            other_companies=frozenset(cik for cik in command.other_companies() if cik in self._companies),
        )

    def absorb(self, events: Sequence[Event]) -> None:
        for event in events:
            company = companies.evolve(self._companies.get(event.cik), event)
            if company is not None and company is not self._companies.get(event.cik):
                self._companies[event.cik] = company
                self._changed_companies.add(event.cik)
            if (accession := getattr(event, "accession", None)) is not None:
                self._absorb_filing((event.cik, accession), event)
            for accession, accepted_at in companies.acceptances_in(event):
                self._acceptances[event.cik, accession] = accepted_at
                self._changed_acceptances[event.cik, accession] = accepted_at
            self._events += 1

    def _absorb_filing(self, filing: tuple[int, str], event: Event) -> None:
        before = self._filings.get(filing)
        after = filings.evolve(before, event)
        if after is not None and after is not before:
            self._filings[filing] = after
            holds_content = before is None or after.content_hash is not before.content_hash
            self._changed_filings[filing] = self._events if holds_content else self._changed_filings.get(filing)

    def save(self, event_ids: Sequence[int]) -> None:
        companies.save_companies(self._connection, [self._companies[cik] for cik in sorted(self._changed_companies)])
        companies.save_acceptances(self._connection, self._changed_acceptances)
        filings.save_filings(
            self._connection,
            {
                filing: self._filings[filing]
                if index is None
                else msgspec.structs.replace(self._filings[filing], event_id=event_ids[index])
                for filing, index in self._changed_filings.items()
            },
        )
