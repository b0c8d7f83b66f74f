"""What is decided about companies: pure, no database."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, cast

import msgspec
import pytest

from commands.catalog import COMMANDS
from commands.companies.change_tickers import ChangeTickers
from commands.companies.events import (
    AcceptanceRecorded,
    CompanyMerged,
    CompanyReclassified,
    CompanyRegistered,
    CompanyRenamed,
    SizeClass,
    TickersChanged,
)
from commands.companies.merge_company import MergeCompany
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.register_company import RegisterCompany
from commands.companies.rename_company import RenameCompany
from commands.companies.state import CompanyState, evolve
from commands.errors import InvalidCommand, UnknownCompany
from commands.messages import Command
from commands.situation import Situation
from tests.fixtures.filings import NOW

APPLE = CompanyState(
    cik=320193,
    name="Apple Inc.",
    sic="3571",
    country="US",
    tickers=("AAPL",),
    size_class="large_accelerated",
)
FIRST, SECOND = "0000320193-23-000106", "0000320193-24-000123"
ACCEPTED_AT = datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)
YEAR_10000 = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(-timedelta(hours=5)))


def decided(command: Command, company: CompanyState | None = APPLE, **situation: Any) -> list[Any]:
    definition = COMMANDS[type(command).__name__]
    return definition.decide(Situation(now=NOW, company=company, **situation), definition.checked(command))


def reclassified(**changes: Any) -> CompanyReclassified:
    held = {"sic": APPLE.sic, "country": APPLE.country, "size_class": APPLE.size_class}
    return CompanyReclassified(cik=APPLE.cik, **(held | changes))


class TestCompanyCommands:
    @pytest.mark.parametrize(
        ("command", "event"),
        [
            (ReclassifyCompany(cik=320193, sic="3663"), reclassified(sic="3663")),
            (ReclassifyCompany(cik=320193, country=None), reclassified(country=None)),
            (ReclassifyCompany(cik=320193, size_class="accelerated"), reclassified(size_class="accelerated")),
            (ReclassifyCompany(cik=320193, size_class=None), reclassified(size_class=None)),
            (RenameCompany(cik=320193, name="Apple"), CompanyRenamed(cik=320193, name="Apple")),
            (
                RenameCompany(cik=320193, name="Apple Inc.", former_names=(("APPLE INC", date(2019, 8, 5)),)),
                CompanyRenamed(cik=320193, name="Apple Inc.", former_names=(("APPLE INC", date(2019, 8, 5)),)),
            ),
            (ChangeTickers(cik=320193, tickers=()), TickersChanged(cik=320193, tickers=())),
        ],
    )
    def test_a_change_is_an_event_and_the_company_stands_so_afterwards(self, command: Command, event: Any) -> None:
        assert decided(command) == [event]

        changed = evolve(APPLE, event)

        assert decided(command, company=changed) == []

    def test_a_renamed_company_had_the_name_it_had_until_then(self) -> None:
        renamed = evolve(APPLE, CompanyRenamed(cik=320193, name="Apple"))
        again = evolve(renamed, CompanyRenamed(cik=320193, name="Apple Inc."))
        known_better = evolve(again, CompanyRenamed(cik=320193, name="Apple Inc.", former_names=()))

        assert [company.former_names for company in (renamed, again, known_better) if company] == [
            (("Apple Inc.", None),),
            (("Apple", None),),
            (),
        ]

    def test_an_event_that_says_nothing_of_the_size_class_leaves_it_as_it_was(self) -> None:
        event = msgspec.json.decode(b'{"cik": 320193, "sic": "3663", "country": "US"}', type=CompanyReclassified)

        changed = evolve(APPLE, event)

        assert changed == msgspec.structs.replace(APPLE, sic="3663")

    @pytest.mark.parametrize(
        "command",
        [
            RegisterCompany(cik=320193, name="APPLE INC"),
            ReclassifyCompany(cik=320193),
            ReclassifyCompany(cik=320193, sic="3571", country="US", size_class="large_accelerated"),
            RenameCompany(cik=320193, name="Apple Inc."),
            ChangeTickers(cik=320193, tickers=("AAPL",)),
        ],
    )
    def test_what_is_so_already_is_no_event(self, command: Command) -> None:
        assert decided(command) == []

    @pytest.mark.parametrize(
        "command",
        [
            ReclassifyCompany(cik=320193, sic="3663"),
            RenameCompany(cik=320193, name="Apple"),
            ChangeTickers(cik=320193, tickers=("AAPL",)),
            RecordAcceptance(cik=320193, filings=((FIRST, ACCEPTED_AT),)),
        ],
    )
    def test_an_unknown_company_is_refused(self, command: Command) -> None:
        with pytest.raises(UnknownCompany):
            decided(command, company=None)

    def test_a_new_company_is_registered(self) -> None:
        (event,) = decided(RegisterCompany(cik=63908, name="McDonald’s\u00a0Corp"), company=None)

        assert event == CompanyRegistered(cik=63908, name="McDonald’s\u00a0Corp")

    def test_only_new_and_changed_acceptance_times_are_recorded(self) -> None:
        later = ACCEPTED_AT + timedelta(days=1)
        command = RecordAcceptance(cik=320193, filings=((SECOND, later), (FIRST, ACCEPTED_AT)))

        (event,) = decided(command, acceptances={FIRST: ACCEPTED_AT})

        assert event == AcceptanceRecorded(cik=320193, filings=((SECOND, later),))
        assert decided(command, acceptances={FIRST: ACCEPTED_AT, SECOND: later}) == []

    def test_a_company_goes_on_from_a_known_predecessor(self) -> None:
        command = MergeCompany(cik=320193, predecessor_cik=1288776, effective_on=date(2015, 10, 2))
        known = frozenset({1288776})

        (event,) = decided(command, other_companies=known)

        assert event == CompanyMerged(cik=320193, predecessor_cik=1288776, effective_on=date(2015, 10, 2))
        assert decided(command, company=evolve(APPLE, event), other_companies=known) == []
        with pytest.raises(UnknownCompany):
            decided(command)

    @pytest.mark.parametrize(
        ("command", "pointer"),
        [
            (RegisterCompany(cik=10**10, name="x"), "/cik"),
            (RegisterCompany(cik=1, name="x\n"), "/name"),
            (MergeCompany(cik=1, predecessor_cik=1, effective_on=date(2015, 10, 2)), "/predecessor_cik"),
            (RegisterCompany(cik=1, name="x", sic="35a1"), "/sic"),
            (RegisterCompany(cik=1, name="x", country="California"), "/country"),
            (RegisterCompany(cik=1, name="x", size_class=cast(SizeClass, "1-LAF")), "/size_class"),
            (RegisterCompany(cik=1, name="x", tickers=("A", "A")), "/tickers/1"),
            (RecordAcceptance(cik=1, filings=((FIRST, datetime(2023, 1, 1)),)), "/filings/0/accepted_at"),  # noqa: DTZ001
            (RecordAcceptance(cik=1, filings=(("x", ACCEPTED_AT),)), "/filings/0/accession"),
            (RecordAcceptance(cik=1, filings=((FIRST, YEAR_10000),)), "/filings/0/accepted_at"),
            (MergeCompany(cik=1, predecessor_cik=2, effective_on=date(1, 1, 1)), "/effective_on"),
            (RenameCompany(cik=1, name="x", former_names=(("y", date(9999, 12, 31)),)), "/former_names/0/until"),
        ],
    )
    def test_what_cannot_be_right_is_named(self, command: Command, pointer: str) -> None:
        with pytest.raises(InvalidCommand) as refused:
            decided(command)

        assert [error.pointer for error in refused.value.errors] == [pointer]
