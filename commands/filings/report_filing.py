"""Reporting a filing with its facts."""

from datetime import date, datetime
from typing import Literal

import msgspec

from commands.companies.events import AcceptanceRecorded
from commands.companies.validation import cik_errors
from commands.errors import FieldError, FilingAlreadyWithdrawn, InvalidCommand, UnknownCompany
from commands.filings.events import ConceptFacts, FilingCorrected, FilingReported
from commands.filings.state import FilingState, content_hash
from commands.filings.validation import accession_errors, canonical_facts, form_errors
from commands.messages import Command, Event
from commands.situation import Situation
from commands.times import day_errors, instant_errors

SOURCE_RANKS = {"fsds": 1, "companyfacts": 2, "sample": 2, "api": 2}
"""Where a filing's content can come from. What a source says is never replaced by a source of lower rank."""


_WITHOUT_SECONDS = frozenset({"fsds"})
"""Sources that know acceptance times by the minute: they fill in and replace nothing."""


class ReportFiling(Command, frozen=True, kw_only=True):
    """
    State the content of one filing.

    A filing that is known with the same content stays as it is; other content is a correction. With `mode`
    "replace" the facts given are all there are; with "merge" they are laid over those known before.
    `accepted_at` is filled in where it was recorded earlier; where none was, it is recorded, also of a known content.
    """

    accession: str
    form: str
    filed_on: date
    facts: tuple[ConceptFacts, ...]
    accepted_at: datetime | None = None
    source: str = "api"
    mode: Literal["replace", "merge"] = "replace"

    def accessions(self) -> tuple[str, ...]:
        return (self.accession,)


def checked(command: ReportFiling) -> ReportFiling:
    """This will return the command in canonical form, or raise InvalidCommand naming all that cannot be right."""
    facts, fact_errors = canonical_facts(command.facts)
    errors = [
        *cik_errors(command.cik),
        *accession_errors(command.accession),
        *form_errors(command.form),
        *day_errors(command.filed_on, pointer="/filed_on"),
        *instant_errors(command.accepted_at, pointer="/accepted_at"),
        *fact_errors,
    ]
    if command.source not in SOURCE_RANKS:
        errors.append(
            FieldError(
                pointer="/source",
                reason=f"{command.source[:40]!r} is no source",
                fix=f"name one of {', '.join(SOURCE_RANKS)}",
            )
        )
    if errors:
        raise InvalidCommand(errors)
    return msgspec.structs.replace(command, facts=facts)


def lays_over(filing: FilingState | None, command: ReportFiling) -> bool:
    """This will say whether the command can only be decided knowing the facts reported before."""
    return (
        filing is not None
        and command.mode == "merge"
        and not filing.withdrawn
        and SOURCE_RANKS[command.source] == SOURCE_RANKS[filing.source]
        and filing.content_hash != _content_hash(command)
    )


def decide(situation: Situation, command: ReportFiling) -> list[Event]:
    """
    A filing is reported once, and corrected where its content differs.

    Raises:
        UnknownCompany: the company has not been registered.
        FilingAlreadyWithdrawn: the filing counts no more. A merge leaves it withdrawn and says nothing, so that
            the file it came from can be read again.
    """
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    known = situation.filing
    if known is None:
        return [_stated(FilingReported, situation, command, facts=command.facts)]
    if known.withdrawn:
        if command.mode == "merge":
            return []
        raise FilingAlreadyWithdrawn(cik=command.cik, accession=command.accession)
    if SOURCE_RANKS[command.source] < SOURCE_RANKS[known.source] or known.content_hash == _content_hash(command):
        return _told_beside(situation, command)
    facts = command.facts
    if lays_over(known, command):
        if known.facts is None:
            raise LookupError(f"the facts of {command.accession} were not loaded, but a merge is laid over them")
        facts = laid_over(known.facts, command.facts)
        if known.content_hash == content_hash(form=command.form, filed_on=command.filed_on, facts=facts):
            return _told_beside(situation, command)
    return [_stated(FilingCorrected, situation, command, facts=facts)]


def laid_over(known: tuple[ConceptFacts, ...], new: tuple[ConceptFacts, ...]) -> tuple[ConceptFacts, ...]:
    """This will return all facts of both, the new value where both have one."""
    merged: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for concept, unit, values in (*known, *new):
        merged.setdefault((concept, unit), {}).update({(end, start or ""): value for start, end, value in values})
    return tuple(
        (concept, unit, tuple((start or None, end, value) for (end, start), value in sorted(place.items())))
        for (concept, unit), place in sorted(merged.items())
    )


def _content_hash(command: ReportFiling) -> bytes:
    return content_hash(form=command.form, filed_on=command.filed_on, facts=command.facts)


def _told_beside(situation: Situation, command: ReportFiling) -> list[Event]:
    """What a report tells whose content is nothing new: when the filing was accepted, where that is not known."""
    if command.accepted_at is None or command.accession in situation.acceptances:
        return []
    return [AcceptanceRecorded(cik=command.cik, filings=((command.accession, command.accepted_at),))]


def _stated(
    kind: type[FilingReported], situation: Situation, command: ReportFiling, *, facts: tuple[ConceptFacts, ...]
) -> FilingReported:
    recorded = situation.acceptances.get(command.accession)
    fills_in = command.accepted_at is None or command.source in _WITHOUT_SECONDS
    return kind(
        cik=command.cik,
        accession=command.accession,
        form=command.form,
        filed_on=command.filed_on,
        accepted_at=(recorded or command.accepted_at) if fills_in else command.accepted_at,
        source=command.source,
        facts=facts,
    )
