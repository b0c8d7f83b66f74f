"""What a writer knows of its own commands, kept where kill -9 does not reach, and compared with the log."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from commands.catalog import COMMANDS
from commands.dispatch import Accepted
from commands.messages import Command


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: a command about to be sent under a key, for the first time or again, or what one sending came to."""

    key: str
    type: str | None = None
    command: str | None = None
    again: bool = False
    accepted: Accepted | None = None
    refused: str | None = None


class Sent(msgspec.Struct, kw_only=True):
    """A command, how often it was sent, and what was heard of it."""

    command: Command
    sendings: int = 1
    answers: list[Accepted] = msgspec.field(default_factory=list)
    refusals: list[str] = msgspec.field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether each sending was refused: then there is no effect."""
        return len(self.refusals) == self.sendings

    @property
    def is_unheard(self) -> bool:
        """Whether it may have had its effect, or not."""
        return not self.answers and not self.is_refused


class LedgerBroken(Exception):
    """The log does not hold exactly what writers were told; the message names the first command concerned."""


class Ledger:
    """The file of one writer. A line is one `write`, so whoever is killed leaves whole lines."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("ab", buffering=0)

    def send(self, key: str, command: Command) -> None:
        """This will note a command before it is sent for the first time."""
        self._note(Entry(key=key, type=type(command).__name__, command=msgspec.json.encode(command).decode()))

    def send_again(self, key: str) -> None:
        """This will note that it is about to be sent once more."""
        self._note(Entry(key=key, again=True))

    def accept(self, key: str, accepted: Accepted) -> None:
        """This will note the answer to a command."""
        self._note(Entry(key=key, accepted=accepted))

    def refuse(self, key: str, code: str) -> None:
        """This will note that a command was refused."""
        self._note(Entry(key=key, refused=code))

    def _note(self, entry: Entry) -> None:
        self._file.write(msgspec.json.encode(entry) + b"\n")


def read_ledger(file: Path) -> dict[str, Sent]:
    """This will read everything a writer has sent, by key, in order."""
    sent: dict[str, Sent] = {}
    for line in file.read_bytes().splitlines() if file.exists() else ():
        entry = msgspec.json.decode(line, type=Entry)
        if entry.command is not None and entry.type is not None:
            sent[entry.key] = Sent(command=msgspec.json.decode(entry.command, type=COMMANDS[entry.type].type))
        elif entry.again:
            sent[entry.key].sendings += 1
        elif entry.accepted is not None:
            sent[entry.key].answers.append(entry.accepted)
        elif entry.refused is not None:
            sent[entry.key].refusals.append(entry.refused)
    return sent


class LedgerCheck(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was compared and found right; `unheard` commands have no answer, and took effect once or not at all.

    `shared` commands were carried out in a transaction with others.
    """

    accepted: int
    shared: int
    refused: int
    unheard: int
    unheard_with_effect: int
    events: int


def check_ledgers(connection: psycopg.Connection, ledgers: Iterable[Mapping[str, Sent]]) -> LedgerCheck:
    """
    This will compare all that was sent with all that is in the log, at rest.

    Raises:
        LedgerBroken: an accepted command is not in the log exactly once, one that was refused is, an event belongs to
            no command or to two, or does not say what its command said.
    """
    sent = {key: command for ledger in ledgers for key, command in ledger.items()}
    with connection.transaction():
        rows = connection.execute("select key, response::text, xmin::text from events.idempotency").fetchall()
        answers = {key: msgspec.json.decode(response, type=Accepted) for key, response, _ in rows}
        with connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(
                """
                select id, stream, version, type, data::text as data,
                    (select array_agg(position) from events.log where event_id = event.id) as positions
                from events.event order by id
                """
            )
            events = {row["id"]: row for row in cursor}
    for key, command in sent.items():
        _check(key, command, answers.get(key), events)
    _check_owners(answers, sent, events)
    return LedgerCheck(
        accepted=sum(bool(command.answers) for command in sent.values()),
        shared=sum(count for count in Counter(transaction for *_, transaction in rows).values() if count > 1),
        refused=sum(command.is_refused for command in sent.values()),
        unheard=sum(command.is_unheard for command in sent.values()),
        unheard_with_effect=sum(command.is_unheard and key in answers for key, command in sent.items()),
        events=len(events),
    )


def check_told(
    connection: psycopg.Connection,
    ask: Callable[[str], tuple[Accepted, int | None] | None],
    ledgers: Iterable[Mapping[str, Sent]],
) -> None:
    """
    This will ask of each command that was not heard of, at rest, what it came to, and compare that with the log.

    Raises:
        LedgerBroken: an effect is not told as it stands in the log, or one is told that is not there.
    """
    rows = connection.execute("select event_id, position from events.log").fetchall()
    positions: dict[int, int] = dict(rows)
    kept = {
        key: msgspec.json.decode(response, type=Accepted)
        for key, response in connection.execute("select key, response::text from events.idempotency")
    }
    for key in (key for ledger in ledgers for key, sent in ledger.items() if sent.is_unheard):
        told, answer = ask(key), kept.get(key)
        if answer is None and told is None:
            continue
        token = answer.position_token if answer else None
        if told != (answer, token and positions[int(token.removeprefix("event-"))]):
            raise LedgerBroken(f"of {key}, of which nobody had heard, is told {told}, but {answer} is kept")


def _check(key: str, sent: Sent, answer: Accepted | None, events: Mapping[int, dict[str, Any]]) -> None:
    for told in sent.answers:
        if told != answer:
            raise LedgerBroken(f"{key} was answered {told}, but {answer} is kept")
    if sent.is_refused and answer is not None:
        raise LedgerBroken(f"{key} was refused ({sent.refusals[-1]}), but {answer} is kept")
    if answer is None:
        return
    for event_id in answer.event_ids:
        event = events.get(event_id)
        if event is None:
            raise LedgerBroken(f"{key} led to event {event_id}, which is not there")
        if event["positions"] is None or len(event["positions"]) != 1:
            raise LedgerBroken(f"{key} led to event {event_id}, which stands at {event['positions']}, not at one place")
        if event["stream"] != answer.stream or event["stream"] != f"company-{sent.command.cik}":
            raise LedgerBroken(f"{key} led to event {event_id} in {event['stream']}, not in {answer.stream}")
        _check_content(key, sent.command, event)
    if answer.event_ids and events[answer.event_ids[-1]]["version"] != answer.version:
        raise LedgerBroken(f"{key} was told version {answer.version} of {answer.stream}, which is another event's")


def _check_content(key: str, command: Command, event: dict[str, Any]) -> None:
    said = msgspec.to_builtins(COMMANDS[type(command).__name__].checked(command))
    kept = msgspec.json.decode(event["data"])
    for field in said.keys() & kept.keys():
        # An acceptance time that was recorded earlier is filled in.
        if field != "accepted_at" and msgspec.json.encode(said[field]) != msgspec.json.encode(kept[field]):
            raise LedgerBroken(f"{key} said {field} {said[field]!r}, event {event['id']} says {kept[field]!r}")


def _check_owners(
    answers: Mapping[str, Accepted], sent: Mapping[str, Sent], events: Mapping[int, dict[str, Any]]
) -> None:
    if strangers := answers.keys() - sent.keys():
        raise LedgerBroken(f"{min(strangers)} was answered, but nobody has sent it")
    owners: dict[int, str] = {}
    for key, answer in answers.items():
        for event_id in answer.event_ids:
            if event_id in owners:
                raise LedgerBroken(f"event {event_id} belongs to {owners[event_id]} and to {key}")
            owners[event_id] = key
    if orphans := events.keys() - owners.keys():
        raise LedgerBroken(f"event {min(orphans)} belongs to no command")
