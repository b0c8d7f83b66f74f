"""What is known of the companies and filings of one transaction, including what it has just decided."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from commands.catalog import COMMANDS
from commands.companies import state as company_states
from commands.companies.state import CompanyState
from commands.errors import CommandError
from commands.event_log.append import NewEvent, check_version
from commands.filings import state as filing_states
from commands.filings.report_filing import ReportFiling, lays_over
from commands.filings.state import FilingState
from commands.messages import Command, Event
from commands.situation import Situation

type Filing = tuple[int, str]
"""A company's CIK and an accession number."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A command in canonical form, and what its sender asks of it."""

    command: Command
    idempotency_key: str | None = None
    expected_version: int | None = None
    meta: str = "{}"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the new events last changed a filing, and which holds its content: None where an older one does."""

    last: int
    content: int | None


def stream_of(cik: int) -> str:
    """This will name the stream in which a company's events stand."""
    return f"company-{cik}"


def opened_by(requests: Iterable[Request]) -> set[str]:
    """This will name the streams these requests would open; who has seen a stream's version need not open it."""
    return {
        stream_of(request.command.cik)
        for request in requests
        if COMMANDS[type(request.command).__name__].opens_stream and not request.expected_version
    }


def filings_named(commands: Iterable[Command]) -> list[Filing]:
    """This will list the filings that must be known to decide these commands."""
    return sorted({(command.cik, accession) for command in commands for accession in command.accessions()})


def companies_named(commands: Iterable[Command]) -> set[int]:
    """This will name the companies that must be known to decide these commands."""
    return {cik for command in commands for cik in (command.cik, *command.other_companies())}


class WorkingSet:
    """Streams at their versions and the state that belongs to them; decisions made are added, and kept as changes."""

    def __init__(
        self,
        *,
        now: datetime,
        heads: Mapping[str, int],
        companies: dict[int, CompanyState],
        filings: dict[Filing, FilingState],
        acceptances: dict[Filing, datetime],
    ) -> None:
        self.heads = heads
        self.companies = companies
        self.filings = filings
        self.acceptances = acceptances
        self.changed_companies: set[int] = set()
        self.changed_acceptances: dict[Filing, datetime] = {}
        self.changed_filings: dict[Filing, Change] = {}
        self._now = now
        self._events = 0

    def overlaid(self, commands: Iterable[Command]) -> set[Filing]:
        """This will name the filings whose facts have to be known as well."""
        return {
            (command.cik, command.accession)
            for command in commands
            if isinstance(command, ReportFiling)
            and lays_over(self.filings.get((command.cik, command.accession)), command)
        }

    def decide(self, requests: Sequence[Request]) -> tuple[list[list[Event] | CommandError], list[NewEvent]]:
        """This will decide requests in order, each seeing those before it; returns what each came to and all events."""
        versions = dict(self.heads)
        decided: list[list[Event] | CommandError] = []
        new: list[NewEvent] = []
        for request in requests:
            command, stream = request.command, stream_of(request.command.cik)
            try:
                if request.expected_version is not None:
                    check_version(stream, expected=request.expected_version, actual=versions.get(stream, 0))
                events = COMMANDS[type(command).__name__].decide(self._situation(command), command)
            except CommandError as refusal:
                decided.append(refusal)
                continue
            self._absorb(events)
            decided.append(events)
            for event in events:
                versions[stream] += 1
                data = msgspec.json.encode(event)
                new.append(NewEvent(stream=stream, type=type(event).__name__, data=data, meta=request.meta))
        return decided, new

    def _situation(self, command: Command) -> Situation:
        accessions = command.accessions()
        return Situation(
            now=self._now,
            company=self.companies.get(command.cik),
            filing=self.filings.get((command.cik, accessions[0])) if len(accessions) == 1 else None,
            acceptances={
                accession: self.acceptances[command.cik, accession]
                for accession in accessions
                if (command.cik, accession) in self.acceptances
            },
            other_companies=frozenset(cik for cik in command.other_companies() if cik in self.companies),
        )

    def _absorb(self, events: Sequence[Event]) -> None:
        for event in events:
            before = self.companies.get(event.cik)
            company = company_states.evolve(before, event)
            if company is not None and company is not before:
                self.companies[event.cik] = company
                self.changed_companies.add(event.cik)
            if (accession := getattr(event, "accession", None)) is not None:
                self._absorb_filing((event.cik, accession), event)
            for accession, accepted_at in company_states.acceptances_in(event):
                self.acceptances[event.cik, accession] = accepted_at
                self.changed_acceptances[event.cik, accession] = accepted_at
            self._events += 1

    def _absorb_filing(self, filing: Filing, event: Event) -> None:
        before = self.filings.get(filing)
        after = filing_states.evolve(before, event)
        if after is not None and after is not before:
            self.filings[filing] = after
            holds_content = before is None or after.content_hash is not before.content_hash
            changed = self.changed_filings.get(filing)
            content = self._events if holds_content else changed.content if changed else None
            self.changed_filings[filing] = Change(last=self._events, content=content)
