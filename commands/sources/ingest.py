"""From what a source proposes to events in the log, batch by batch."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Self

import msgspec
import psycopg

from commands.companies.events import SizeClass
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.register_company import RegisterCompany
from commands.dispatch import dispatch_many
from commands.errors import CommandError
from commands.filings.report_filing import ReportFiling
from commands.sources.reading import FileRead, Item, Proposal, Skipped
from commands.sql import load_statements

_SQL = load_statements("commands.sources", "ingest.sql")

FILINGS_PER_BATCH = 100
FACTS_PER_BATCH = 15_000
COMMANDS_PER_BATCH = 1_000
PATIENCE_FOR_A_COMPANY = 4
"""
How many times fuller a batch may get so that it ends with a company.

The figures of a company that comes in one piece are worked out once.
"""


class Tally(msgspec.Struct, kw_only=True):
    """
    How far an ingest has come.

    `passed_over` counts what did not apply: companies that are registered already, or not at all, or of which no more
    was said than is known. `unchanged` counts filings and company details that stood there already. `facts` counts
    those of filings of which something was new, `facts_read` all of them. `skipped` counts what was left out; what that
    was is told as it comes.
    """

    files: int = 0
    filings: int = 0
    events: int = 0
    unchanged: int = 0
    passed_over: int = 0
    facts: int = 0
    facts_read: int = 0
    skipped: int = 0

    @property
    def usable(self) -> bool:
        """False when nothing at all could be taken from the input."""
        return bool(self.filings or self.events or self.unchanged or self.passed_over or self.files)


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    sic: str | None
    country: str | None
    size_class: SizeClass | None

    @classmethod
    def said_in(cls, command: RegisterCompany | ReclassifyCompany) -> Self:
        return cls(sic=command.sic or None, country=command.country or None, size_class=command.size_class or None)

    def filled_from(self, other: Self) -> Self:
        return type(self)(
            sic=self.sic or other.sic,
            country=self.country or other.country,
            size_class=self.size_class or other.size_class,
        )


def ingest(
    connection: psycopg.Connection,
    items: Iterable[Item],
    *,
    tally: Tally,
    now: Callable[[], datetime],
    skipped: Callable[[Skipped], None],
    progress: Callable[[Tally], None],
    wait_for_room: Callable[[], None] = lambda: None,
) -> None:
    """
    This will dispatch what a source proposes, one transaction for a batch of filings, and keep count in `tally`.

    What is in stays in when it is interrupted: a batch is there as a whole or not at all, and doing all of it again
    adds only what is missing. `progress` is called after every batch, `skipped` for everything that was left out, and
    `wait_for_room` before every batch: it returns when more events may be written.
    """
    batch: list[Proposal] = []
    filings = facts = 0

    def fullness() -> float:
        return max(filings / FILINGS_PER_BATCH, facts / FACTS_PER_BATCH, len(batch) / COMMANDS_PER_BATCH)

    def flush() -> None:
        nonlocal batch, filings, facts
        wait_for_room()
        _dispatch(connection, batch, tally=tally, now=now, leave_out=leave_out)
        batch, filings, facts = [], 0, 0
        progress(tally)

    def leave_out(item: Skipped) -> None:
        tally.skipped += 1
        skipped(item)

    for item in items:
        match item:
            case Skipped():
                leave_out(item)
            case FileRead():
                tally.files += 1
                if fullness() >= 1:
                    flush()
            case Proposal(command=command):
                at_seam = not batch or batch[-1].command.cik != command.cik
                if fullness() >= (1 if at_seam else PATIENCE_FOR_A_COMPANY):
                    flush()
                batch.append(item)
                if isinstance(command, ReportFiling):
                    filings += 1
                    facts += _facts_in(command)
    if batch:
        flush()
    else:
        progress(tally)


def _dispatch(
    connection: psycopg.Connection,
    batch: list[Proposal],
    *,
    tally: Tally,
    now: Callable[[], datetime],
    leave_out: Callable[[Skipped], None],
) -> None:
    ciks = sorted({proposal.command.cik for proposal in batch})
    known = {
        cik: _Known(sic=sic, country=country, size_class=size_class)
        for cik, sic, country, size_class in connection.execute(_SQL["known_companies"], {"ciks": ciks})
    }
    applying = [applied for proposal in batch if (applied := _applied(proposal, known)) is not None]
    tally.passed_over += len(batch) - len(applying)
    outcomes = dispatch_many(connection, [proposal.command for proposal in applying], now=now())
    for proposal, outcome in zip(applying, outcomes, strict=True):
        if isinstance(outcome, CommandError):
            leave_out(Skipped(place=proposal.place, reason=f"{outcome.message} {outcome.fix}"))
            continue
        tally.events += len(outcome.event_ids)
        tally.unchanged += not outcome.event_ids
        if isinstance(proposal.command, ReportFiling):
            facts = _facts_in(proposal.command)
            tally.filings += 1
            tally.facts_read += facts
            tally.facts += facts if outcome.event_ids else 0


def _applied(proposal: Proposal, known: dict[int, _Known]) -> Proposal | None:
    """The proposal as it is to be dispatched; None when its condition does not hold."""
    command = proposal.command
    company = known.get(command.cik)
    if isinstance(command, RegisterCompany):
        if proposal.condition == "unregistered" and company is not None:
            return None
        known[command.cik] = _Known.said_in(command)
        return proposal
    if company is None and not isinstance(command, ReportFiling):
        return None
    if isinstance(command, ReclassifyCompany) and company is not None:
        said = _Known.said_in(command)
        after = company.filled_from(said) if proposal.condition == "unclassified" else said.filled_from(company)
        if proposal.condition == "unclassified" and after == company:
            return None
        known[command.cik] = after
        return Proposal(
            place=proposal.place,
            command=ReclassifyCompany(
                cik=command.cik, sic=after.sic, country=after.country, size_class=after.size_class
            ),
        )
    return proposal


def _facts_in(command: ReportFiling) -> int:
    return sum([len(values) for _, _, values in command.facts])
