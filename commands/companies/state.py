"""What decisions need to know of companies."""

from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime

import msgspec
import psycopg

from commands.companies.events import (
    AcceptanceRecorded,
    CompanyMerged,
    CompanyReclassified,
    CompanyRegistered,
    CompanyRenamed,
    FormerNames,
    SizeClass,
    TickersChanged,
)
from commands.filings.events import FilingReported
from commands.messages import Event
from commands.sql import load_statements

_SQL = load_statements("commands.companies", "state.sql")
_former_names = msgspec.json.Decoder(FormerNames)
_predecessors = msgspec.json.Decoder(tuple[tuple[int, date], ...])


class CompanyState(msgspec.Struct, frozen=True, kw_only=True):
    """A registered company as it stands after its last event."""

    cik: int
    name: str
    sic: str | None = None
    country: str | None = None
    tickers: tuple[str, ...] = ()
    predecessors: tuple[tuple[int, date], ...] = ()
    former_names: FormerNames = ()
    """In the order of the alphabet."""
    size_class: SizeClass | None = None

    def after(self, event: CompanyRenamed) -> "CompanyState":
        """The company as it stands after it was renamed."""
        former = event.former_names_after(name=self.name, former=dict(self.former_names))
        return msgspec.structs.replace(self, name=event.name, former_names=tuple(sorted(former.items())))

    def classified(self, event: CompanyReclassified) -> "CompanyState":
        """The company as it stands after it was reclassified."""
        return msgspec.structs.replace(
            self, sic=event.sic, country=event.country, size_class=event.size_class_after(self.size_class)
        )


def evolve(state: CompanyState | None, event: Event) -> CompanyState | None:
    """This will return the company as it stands after `event`; events about other things leave it as it was."""
    match event:
        case CompanyRegistered():
            return CompanyState(
                cik=event.cik,
                name=event.name,
                sic=event.sic,
                country=event.country,
                tickers=event.tickers,
                size_class=event.size_class,
            )
        case CompanyReclassified() if state is not None:
            return state.classified(event)
        case CompanyRenamed() if state is not None:
            return state.after(event)
        case TickersChanged() if state is not None:
            return msgspec.structs.replace(state, tickers=event.tickers)
        case CompanyMerged() if state is not None:
            others = tuple(known for known in state.predecessors if known[0] != event.predecessor_cik)
            return msgspec.structs.replace(state, predecessors=(*others, (event.predecessor_cik, event.effective_on)))
        case _:
            return state


def ask_companies(connection: psycopg.Connection, ciks: Collection[int]) -> Callable[[], dict[int, CompanyState]]:
    """This will ask for the registered ones among these companies; call what it returns to have them."""
    rows = connection.execute(_SQL["load_companies"], {"ciks": sorted(ciks)})
    return lambda: {
        cik: CompanyState(
            cik=cik,
            name=name,
            sic=sic,
            country=country,
            tickers=tuple(tickers),
            predecessors=_predecessors.decode(predecessors),
            former_names=_former_names.decode(former_names),
            size_class=size_class,
        )
        for cik, name, sic, country, tickers, predecessors, former_names, size_class in rows
    }


def save_companies(connection: psycopg.Connection, companies: Collection[CompanyState]) -> None:
    """This will write these companies as they stand now."""
    if companies:
        connection.execute(_SQL["save_companies"], {"companies": msgspec.json.encode(list(companies)).decode()})


def ask_acceptances(
    connection: psycopg.Connection, filings: Collection[tuple[int, str]]
) -> Callable[[], dict[tuple[int, str], datetime]]:
    """This will ask when EDGAR accepted these filings, by CIK and accession, as far as it was recorded."""
    rows = connection.execute(
        _SQL["load_acceptances"],
        {"ciks": [cik for cik, _ in filings], "accessions": [accession for _, accession in filings]},
    )
    return lambda: {(cik, accession): accepted_at for cik, accession, accepted_at in rows}


def save_acceptances(connection: psycopg.Connection, acceptances: Mapping[tuple[int, str], datetime]) -> None:
    """This will write when EDGAR accepted these filings."""
    if acceptances:
        connection.execute(
            _SQL["save_acceptances"],
            {
                "ciks": [cik for cik, _ in acceptances],
                "accessions": [accession for _, accession in acceptances],
                "accepted_at": list(acceptances.values()),
            },
        )


def acceptances_in(event: Event) -> tuple[tuple[str, datetime], ...]:
    """This will return the acceptance times an event makes known, by accession."""
    match event:
        case AcceptanceRecorded():
            return event.filings
        case FilingReported(accepted_at=datetime() as accepted_at):
            return ((event.accession, accepted_at),)
        case _:
            return ()
