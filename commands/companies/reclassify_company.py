"""Changing a company's industry, country or size class."""

from msgspec import UNSET, UnsetType

from commands.companies.events import CompanyReclassified, SizeClass
from commands.companies.validation import cik_errors, country_errors, sic_errors, size_class_errors
from commands.errors import InvalidCommand, UnknownCompany
from commands.messages import Command, Event
from commands.situation import Situation


class ReclassifyCompany(Command, frozen=True, kw_only=True):
    """State a company's industry, country or size class. What is left out stays; null says that there is none."""

    sic: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    size_class: SizeClass | UnsetType | None = UNSET


def checked(command: ReclassifyCompany) -> ReclassifyCompany:
    """This will return the command, or raise InvalidCommand naming every field that cannot be right."""
    errors = list(cik_errors(command.cik))
    if command.sic is not UNSET:
        errors.extend(sic_errors(command.sic))
    if command.country is not UNSET:
        errors.extend(country_errors(command.country))
    if command.size_class is not UNSET:
        errors.extend(size_class_errors(command.size_class))
    if errors:
        raise InvalidCommand(errors)
    return command


def decide(situation: Situation, command: ReclassifyCompany) -> list[Event]:
    """Only a change is an event."""
    company = situation.company
    if company is None:
        raise UnknownCompany(cik=command.cik)
    reclassified = CompanyReclassified(
        cik=command.cik,
        sic=company.sic if command.sic is UNSET else command.sic,
        country=company.country if command.country is UNSET else command.country,
        size_class=company.size_class if command.size_class is UNSET else command.size_class,
    )
    return [] if company.classified(reclassified) == company else [reclassified]
