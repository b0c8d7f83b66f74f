"""Recording when EDGAR accepted filings."""

from datetime import datetime

from commands.companies.events import AcceptanceRecorded
from commands.companies.validation import cik_errors
from commands.errors import InvalidCommand, UnknownCompany
from commands.filings.validation import accession_errors
from commands.messages import Command, Event
from commands.situation import Situation
from commands.times import instant_errors


class RecordAcceptance(Command, frozen=True, kw_only=True):
    """State when EDGAR accepted some filings of a company; they may have been reported already, later, or never."""

    filings: tuple[tuple[str, datetime], ...]

    def accessions(self) -> tuple[str, ...]:
        return tuple(accession for accession, _ in self.filings)


def checked(command: RecordAcceptance) -> RecordAcceptance:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    errors = list(cik_errors(command.cik))
    for index, (accession, accepted_at) in enumerate(command.filings):
        errors.extend(accession_errors(accession, pointer=f"/filings/{index}/accession"))
        errors.extend(instant_errors(accepted_at, pointer=f"/filings/{index}/accepted_at"))
    if errors:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: RecordAcceptance) -> list[Event]:
    """Only acceptance times that are new or different are an event."""
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    new = tuple(
        (accession, accepted_at)
        for accession, accepted_at in sorted(dict(command.filings).items())
        if situation.acceptances.get(accession) != accepted_at
    )
    return [AcceptanceRecorded(cik=command.cik, filings=new)] if new else []
