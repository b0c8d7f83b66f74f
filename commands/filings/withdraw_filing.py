"""Withdrawing a filing."""

from datetime import datetime

from commands.companies.validation import cik_errors
from commands.errors import FieldError, FilingAlreadyWithdrawn, InvalidCommand, UnknownCompany, UnknownFiling
from commands.filings.events import FilingWithdrawn
from commands.filings.validation import accession_errors
from commands.messages import Command, Event
from commands.situation import Situation
from commands.text import text_error
from commands.times import instant_errors

_STILL_TO_COME = FieldError(
    pointer="/withdrawn_at", reason="is still to come", fix="leave it out to withdraw the filing from now on"
)


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
    A reported filing can be withdrawn once, and from no later than now on: it would be gone from the latest figures at
    once and still be there in those as of now.

    Raises:
        InvalidCommand: `withdrawn_at` is still to come.
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
    withdrawn_at = command.withdrawn_at or situation.now
    if withdrawn_at > situation.now:
        raise InvalidCommand([_STILL_TO_COME])
    return [
        FilingWithdrawn(
            cik=command.cik,
            accession=command.accession,
            withdrawn_at=withdrawn_at,
            reason=command.reason,
        )
    ]
