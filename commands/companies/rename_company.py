"""Renaming a company."""

from commands.companies.events import CompanyRenamed
from commands.companies.validation import cik_errors, name_errors
from commands.errors import InvalidCommand, UnknownCompany
from commands.messages import Command, Event
from commands.situation import Situation


class RenameCompany(Command, frozen=True, kw_only=True):
    """State the name a company goes by now."""

    name: str


def checked(command: RenameCompany) -> RenameCompany:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    if errors := [*cik_errors(command.cik), *name_errors(command.name)]:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: RenameCompany) -> list[Event]:
    """Only a change is an event."""
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    if situation.company.name == command.name:
        return []
    return [CompanyRenamed(cik=command.cik, name=command.name)]
