"""Withdrawing a filing."""

from datetime import datetime

from commands.companies.validation import cik_errors
from commands.errors import FilingAlreadyWithdrawn, InvalidCommand, UnknownCompany, UnknownFiling
from commands.filings.events import FilingWithdrawn
from commands.filings.validation import accession_errors, instant_errors
from commands.messages import Command, Event
from commands.situation import Situation
from commands.text import text_error


class WithdrawFiling(Command, frozen=True, kw_only=True):
    """
    Take a filing's facts out of the figures from `withdrawn_at` on, by default from now.

    Answers as of an earlier instant still use it. A withdrawal is final.
    """

    accession: str
    reason: str
    withdrawn_at: datetime | None = None

    def accessions(self) -> tuple[str, ...]:
        return (self.accession,)


def checked(command: WithdrawFiling) -> WithdrawFiling:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    errors = [
        *cik_errors(command.cik),
        *accession_errors(command.accession),
        *instant_errors(command.withdrawn_at, pointer="/withdrawn_at"),
    ]
    if error := text_error("/reason", command.reason, longest=1000):
        errors.append(error)
    if errors:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: WithdrawFiling) -> list[Event]:
    """
    A reported filing can be withdrawn once.

    Raises:
        UnknownCompany: the company has not been registered.
        UnknownFiling: the filing has not been reported.
        FilingAlreadyWithdrawn: it has been withdrawn.
    """
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    if situation.filing is None:
        raise UnknownFiling(cik=command.cik, accession=command.accession)
    if situation.filing.withdrawn:
        raise FilingAlreadyWithdrawn(cik=command.cik, accession=command.accession)
    return [
        FilingWithdrawn(
            cik=command.cik,
            accession=command.accession,
            withdrawn_at=command.withdrawn_at or situation.now,
            reason=command.reason,
        )
    ]
