"""Registering a company."""

from commands.companies.events import CompanyRegistered, SizeClass
from commands.companies.validation import (
    cik_errors,
    country_errors,
    name_errors,
    sic_errors,
    size_class_errors,
    ticker_errors,
)
from commands.errors import InvalidCommand
from commands.messages import Command, Event
from commands.situation import Situation


class RegisterCompany(Command, frozen=True, kw_only=True):
    """
    Make a company known. Its filings can be reported from then on.

    A company that is known already stays as it is, whatever this command says of it; RenameCompany,
    ReclassifyCompany and ChangeTickers change it.
    """

    name: str
    sic: str | None = None
    country: str | None = None
    tickers: tuple[str, ...] = ()
    size_class: SizeClass | None = None


def checked(command: RegisterCompany) -> RegisterCompany:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    errors = [
        *cik_errors(command.cik),
        *name_errors(command.name),
        *sic_errors(command.sic),
        *country_errors(command.country),
        *ticker_errors(command.tickers),
        *size_class_errors(command.size_class),
    ]
    if errors:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: RegisterCompany) -> list[Event]:
    """A company is registered once."""
    if situation.company is not None:
        return []
    return [
        CompanyRegistered(
            cik=command.cik,
            name=command.name,
            sic=command.sic,
            country=command.country,
            tickers=command.tickers,
            size_class=command.size_class,
        )
    ]
