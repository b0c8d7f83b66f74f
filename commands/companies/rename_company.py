"""Renaming a company."""

from commands.companies.events import CompanyRenamed, FormerNames
from commands.companies.validation import cik_errors, former_name_errors, name_errors
from commands.errors import InvalidCommand, UnknownCompany
from commands.messages import Command, Event
from commands.situation import Situation


class RenameCompany(Command, frozen=True, kw_only=True):
    """
    State the name a company goes by now and, where known, all names it had before.

    Without `former_names` the name it had until now becomes one of them.
    """

    name: str
    former_names: FormerNames | None = None


def checked(command: RenameCompany) -> RenameCompany:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    errors = [*cik_errors(command.cik), *name_errors(command.name), *former_name_errors(command.former_names or ())]
    if errors:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: RenameCompany) -> list[Event]:
    """Only a change is an event."""
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    renamed = CompanyRenamed(cik=command.cik, name=command.name, former_names=command.former_names)
    company = situation.company
    if company.name == command.name and company.after(renamed).former_names == company.former_names:
        return []
    return [renamed]
