"""What decisions need to know of filings."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from datetime import date

import msgspec
import psycopg

from commands.filings.events import ConceptFacts, FilingReported, FilingWithdrawn
from commands.messages import Event
from commands.sql import load_statements

_SQL = load_statements("commands.filings", "state.sql")


class FilingState(msgspec.Struct, frozen=True, kw_only=True):
    """
    A reported filing as it stands after its last event.

    `event_id` names the event that holds its content; it is 0 while that event is being appended. `facts` are
    read back from that event only where a decision needs them.
    """

    content_hash: bytes
    source: str
    event_id: int = 0
    withdrawn: bool = False
    facts: tuple[ConceptFacts, ...] | None = None


class _Content(msgspec.Struct, frozen=True):
    facts: tuple[ConceptFacts, ...]


_contents = msgspec.json.Decoder(_Content)


def content_hash(*, form: str, filed_on: date, facts: tuple[ConceptFacts, ...]) -> bytes:
    """This will return 16 bytes that are equal for equal contents; the facts must be canonical."""
    return hashlib.blake2b(msgspec.json.encode((form, filed_on, facts)), digest_size=16).digest()


def evolve(state: FilingState | None, event: Event) -> FilingState | None:
    """This will return the filing as it stands after `event`; events about other things leave it as it was."""
    match event:
        case FilingReported():
            digest = content_hash(form=event.form, filed_on=event.filed_on, facts=event.facts)
            return FilingState(content_hash=digest, source=event.source, facts=event.facts)
        case FilingWithdrawn() if state is not None:
            return msgspec.structs.replace(state, withdrawn=True)
        case _:
            return state


def ask_filings(
    connection: psycopg.Connection, filings: Collection[tuple[int, str]]
) -> Callable[[], dict[tuple[int, str], FilingState]]:
    """
    This will ask for the reported ones among these filings, by CIK and accession, without their facts.

    Call what it returns to have them.
    """
    rows = connection.execute(
        _SQL["load_filings"],
        {"ciks": [cik for cik, _ in filings], "accessions": [accession for _, accession in filings]},
    )
    return lambda: {
        (cik, accession): FilingState(content_hash=digest, source=source, event_id=event_id, withdrawn=withdrawn)
        for cik, accession, digest, source, event_id, withdrawn in rows
    }


def load_facts(connection: psycopg.Connection, event_ids: Collection[int]) -> dict[int, tuple[ConceptFacts, ...]]:
    """This will read the facts back from the events that hold them, by event id."""
    rows = connection.execute(_SQL["load_contents"], {"event_ids": sorted(event_ids)})
    return {event_id: _contents.decode(data).facts for event_id, data in rows}


def save_filings(connection: psycopg.Connection, filings: Mapping[tuple[int, str], FilingState]) -> None:
    """This will write these filings as they stand now."""
    if filings:
        connection.execute(
            _SQL["save_filings"],
            {
                "ciks": [cik for cik, _ in filings],
                "accessions": [accession for _, accession in filings],
                "content_hashes": [state.content_hash for state in filings.values()],
                "sources": [state.source for state in filings.values()],
                "event_ids": [state.event_id for state in filings.values()],
                "withdrawn": [state.withdrawn for state in filings.values()],
            },
        )
