"""The way in: check, lock, load, decide, append."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
import psycopg
from django.conf import settings

from commands.catalog import COMMANDS
from commands.companies import state as companies
from commands.errors import CommandError
from commands.event_log.append import NewEvent, StreamHead, append_events, ask_locks, check_version
from commands.filings import state as filings
from commands.filings.report_filing import ReportFiling, lays_over
from commands.idempotency import ask_claims, once, settle_keys
from commands.messages import Command, Event
from commands.situation import Situation
from commands.sql import load_statements
from commands.tracing import continued, current_meta

logger = logging.getLogger(__name__)
_SQL = load_statements("commands", "dispatch.sql")
_ACCEPTED = 202


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A command in canonical form, and what its sender asks of it."""

    command: Command
    idempotency_key: str | None = None
    expected_version: int | None = None
    meta: str = "{}"


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
            status=_ACCEPTED,
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
        requests = [Request(command=command, meta=current_meta()) for command in sound]
        done = iter(_carry_out(connection, requests, now=now) if requests else ())
    return [next(done) if outcome is None else outcome for outcome in outcomes]


def dispatch_together(
    connection: psycopg.Connection, take: Callable[[], Sequence[Request]], *, now: datetime
) -> list[Accepted | CommandError | None]:
    """
    This will carry out requests of several senders in one transaction and return an outcome for each.

    `take` is called once, when the transaction has begun. Each request is answered as if it had come alone, those
    before it in the list first. None stands for what has to be dispatched alone, and has had no effect: requests that
    would make the others wait for a lock, those with a key that was used before, and all of them where the database
    refused what one of them brought.

    Raises:
        psycopg.OperationalError: the connection was lost; whether anything took effect is not known.
    """
    requests: Sequence[Request] = ()
    try:
        with suppress(psycopg.Rollback), connection.transaction() as transaction:
            requests = take()
            with connection.pipeline():
                outcomes = _carry_out_keyed(connection, requests, now=now)
            if not any(isinstance(outcome, Accepted) for outcome in outcomes):
                raise psycopg.Rollback(transaction)
    except Exception as failure:
        if connection.closed or not requests:
            raise
        logger.warning("%d commands go alone, their shared transaction failed: %s", len(requests), failure)
        return [None] * len(requests)
    return outcomes


def _carry_out_keyed(
    connection: psycopg.Connection, requests: Sequence[Request], *, now: datetime
) -> list[Accepted | CommandError | None]:
    first_with: dict[str, Request] = {}
    for request in requests:
        if request.idempotency_key is not None:
            first_with.setdefault(request.idempotency_key, request)
    hashes = {
        key: request_hash(request.command, expected_version=request.expected_version)
        for key, request in first_with.items()
    }
    connection.execute(_SQL["wait_briefly"])
    claims = ask_claims(connection, hashes)
    known = _WorkingSet(connection, requests, now=now, waits=False)
    claimed = claims()
    outcomes: list[Accepted | CommandError | None] = [None] * len(requests)
    joining = [
        place
        for place, request in enumerate(requests)
        if (key := request.idempotency_key) is None or (key in claimed and first_with[key] is request)
    ]
    decided = _decide_and_append(connection, [requests[place] for place in joining], known=known)
    responses: dict[str, str] = {}
    for place, outcome in zip(joining, decided, strict=True):
        outcomes[place] = outcome
        if isinstance(outcome, Accepted) and (key := requests[place].idempotency_key) is not None:
            responses[key] = msgspec.json.encode(outcome).decode()
    settle_keys(connection, status=_ACCEPTED, responses=responses, freed=claimed - responses.keys())
    return outcomes


def _carry_out(
    connection: psycopg.Connection, requests: Sequence[Request], *, now: datetime
) -> list[Accepted | CommandError]:
    # A session lost at its rollback would let the exception through; the server has rolled back all the same.
    with suppress(psycopg.Rollback), connection.transaction() as transaction:
        with connection.pipeline():
            known = _WorkingSet(connection, requests, now=now)
            decided = _decide_and_append(connection, requests, known=known)
        outcomes = [outcome for outcome in decided if outcome is not None]
        if all(isinstance(outcome, CommandError) for outcome in outcomes):
            raise psycopg.Rollback(transaction)
    return outcomes


def _decide_and_append(
    connection: psycopg.Connection, requests: Sequence[Request], *, known: "_WorkingSet"
) -> list[Accepted | CommandError | None]:
    """None stands for the commands whose stream is unknown or held by somebody else, where these are not waited for."""
    known.load()
    decided, new = _decide(requests, known=known)
    event_ids = append_events(connection, new, heads=known.heads)
    known.save(event_ids)
    commands = [request.command for request in requests]
    return _outcomes(connection, commands, decided, event_ids=event_ids, heads=known.heads)


def _decide(
    requests: Sequence[Request], *, known: "_WorkingSet"
) -> tuple[list[list[Event] | CommandError | None], list[NewEvent]]:
    versions = {stream: head.version for stream, head in known.heads.items()}
    decided: list[list[Event] | CommandError | None] = []
    new: list[NewEvent] = []
    for request in requests:
        command, stream = request.command, stream_of(request.command.cik)
        if not known.waits and stream not in known.heads:
            decided.append(None)
            continue
        try:
            if request.expected_version is not None:
                check_version(stream, expected=request.expected_version, actual=versions.get(stream, 0))
            events = COMMANDS[type(command).__name__].decide(known.situation(command), command)
        except CommandError as refusal:
            decided.append(refusal)
            continue
        known.absorb(events)
        decided.append(events)
        for event in events:
            versions[stream] += 1
            data = msgspec.json.encode(event)
            new.append(NewEvent(stream=stream, type=type(event).__name__, data=data, meta=request.meta))
    return decided, new


def _opened(commands: Iterable[Command]) -> set[str]:
    return {stream_of(command.cik) for command in commands if COMMANDS[type(command).__name__].opens_stream}


def _outcomes(
    connection: psycopg.Connection,
    commands: Sequence[Command],
    decided: Sequence[list[Event] | CommandError | None],
    *,
    event_ids: Sequence[int],
    heads: dict[str, StreamHead],
) -> list[Accepted | CommandError | None]:
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
    outcomes: list[Accepted | CommandError | None] = []
    for command, events in zip(commands, decided, strict=True):
        if events is None or isinstance(events, CommandError):
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
    """
    What is known of the companies and filings of one transaction, including what it has just decided.

    Their streams are locked and all of it is asked for when this is made; in a pipeline that travels in one round trip,
    with whatever is asked before the answers are taken in.
    """

    def __init__(
        self, connection: psycopg.Connection, requests: Sequence[Request], *, now: datetime, waits: bool = True
    ) -> None:
        self._connection = connection
        self._now = now
        self.waits = waits
        self._commands = [request.command for request in requests]
        self._asked_heads = ask_locks(
            connection,
            {stream_of(command.cik) for command in self._commands},
            opening=_opened(self._commands),
            shards=settings.FACTFOLD.shards,
            waits=waits,
        )
        wanted = sorted({(command.cik, accession) for command in self._commands for accession in command.accessions()})
        named = {cik for command in self._commands for cik in (command.cik, *command.other_companies())}
        self._asked_companies = companies.ask_companies(connection, named)
        self._asked_filings = filings.ask_filings(connection, wanted) if wanted else dict
        self._asked_acceptances = companies.ask_acceptances(connection, wanted) if wanted else dict
        self._changed_companies: set[int] = set()
        self._changed_filings: dict[tuple[int, str], int | None] = {}
        self._changed_acceptances: dict[tuple[int, str], datetime] = {}
        self._events = 0

    def load(self) -> None:
        """This will take in what was asked for when this was made."""
        self.heads = self._asked_heads()
        self._companies = self._asked_companies()
        self._filings = self._asked_filings()
        self._acceptances = self._asked_acceptances()
        overlaid = {
            (command.cik, command.accession)
            for command in self._commands
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
