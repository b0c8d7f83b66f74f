"""Saying that a company goes on under another CIK."""

from datetime import date

from commands.companies.events import CompanyMerged
from commands.companies.validation import cik_errors
from commands.errors import FieldError, InvalidCommand, UnknownCompany
from commands.messages import Command, Event
from commands.situation import Situation
from commands.times import day_errors


class MergeCompany(Command, frozen=True, kw_only=True):
    """
    State that a company goes on under this CIK: what it was before a day stands under its predecessor's.

    Both must be known; they keep their own filings.
    """

    predecessor_cik: int
    effective_on: date

    def other_companies(self) -> tuple[int, ...]:
        return (self.predecessor_cik,)


def checked(command: MergeCompany) -> MergeCompany:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    errors = [
        *cik_errors(command.cik),
        *cik_errors(command.predecessor_cik, pointer="/predecessor_cik"),
        *day_errors(command.effective_on, pointer="/effective_on"),
    ]
    if command.predecessor_cik == command.cik:
        errors.append(
            FieldError(
                pointer="/predecessor_cik",
                reason="is the company itself",
                fix="name the CIK under which it filed before",
            )
        )
    if errors:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: MergeCompany) -> list[Event]:
    """Only a new predecessor, or another day, is an event."""
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    if command.predecessor_cik not in situation.other_companies:
        raise UnknownCompany(cik=command.predecessor_cik, pointer="/predecessor_cik")
    if (command.predecessor_cik, command.effective_on) in situation.company.predecessors:
        return []
    return [CompanyMerged(cik=command.cik, predecessor_cik=command.predecessor_cik, effective_on=command.effective_on)]
