"""Changing a company's industry or country."""

from msgspec import UNSET, UnsetType

from commands.companies.events import CompanyReclassified
from commands.companies.validation import cik_errors, country_errors, sic_errors
from commands.errors import InvalidCommand, UnknownCompany
from commands.messages import Command, Event
from commands.situation import Situation


class ReclassifyCompany(Command, frozen=True, kw_only=True):
    """State a company's industry, country, or both. What is left out stays; null says that there is none."""

    sic: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET


def checked(command: ReclassifyCompany) -> ReclassifyCompany:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    errors = list(cik_errors(command.cik))
    if command.sic is not UNSET:
        errors.extend(sic_errors(command.sic))
    if command.country is not UNSET:
        errors.extend(country_errors(command.country))
    if errors:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: ReclassifyCompany) -> list[Event]:
    """Only a change is an event."""
    if situation.company is None:
        raise UnknownCompany(cik=command.cik)
    sic = situation.company.sic if command.sic is UNSET else command.sic
    country = situation.company.country if command.country is UNSET else command.country
    if (sic, country) == (situation.company.sic, situation.company.country):
        return []
    return [CompanyReclassified(cik=command.cik, sic=sic, country=country)]
