"""Changing the tickers a company trades under."""

from commands.companies.events import TickersChanged
from commands.companies.validation import cik_errors, ticker_errors
from commands.errors import InvalidCommand, UnknownCompany
from commands.messages import Command, Event
from commands.situation import Situation


class ChangeTickers(Command, frozen=True, kw_only=True):
    """State all tickers a company trades under now; the first is the one it is shown by."""

    tickers: tuple[str, ...]


def checked(command: ChangeTickers) -> ChangeTickers:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    if errors := [*cik_errors(command.cik), *ticker_errors(command.tickers)]:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: ChangeTickers) -> list[Event]:
    """Only a change is an event."""
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    if situation.company.tickers == command.tickers:
        return []
    return [TickersChanged(cik=command.cik, tickers=command.tickers)]
