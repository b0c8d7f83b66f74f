"""Commands carried out on a real database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import psycopg
import pytest

from commands.catalog import EVENTS
from commands.companies.merge_company import MergeCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.rename_company import RenameCompany
from commands.dispatch import Accepted, dispatch, dispatch_many
from commands.errors import CommandError, InvalidCommand, UnknownCompany, VersionConflict
from commands.messages import Command
from tests.fixtures.filings import (
    ASSETS,
    NOW,
    REVENUE,
    RegisterCompanyFactory,
    ReportFilingFactory,
    WithdrawFilingFactory,
)

ACCESSION = "0000320193-23-000106"
ACCEPTED_AT = datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)


@pytest.fixture
def apple(connection: psycopg.Connection) -> psycopg.Connection:
    """A connection to a database in which Apple is registered."""
    dispatch(connection, RegisterCompanyFactory.build(cik=320193), now=NOW)
    return connection


class LostAtTheEnd(psycopg.Connection[Any]):
    """Its session is ended by another one at the end of each transaction."""

    killer: psycopg.Connection

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Any]:
        with super().transaction(savepoint_name, force_rollback) as transaction:
            try:
                yield transaction
            finally:
                self.killer.execute("select pg_terminate_backend(%s, 5000)", [self.info.backend_pid])


def events_of(connection: psycopg.Connection, *, cik: int) -> list[object]:
    rows = connection.execute(
        "select type, data::text from events.event where stream = %s order by version", [f"company-{cik}"]
    )
    return [msgspec.json.decode(data, type=EVENTS[event_type]) for event_type, data in rows]


def event_types(connection: psycopg.Connection, *, cik: int) -> list[str]:
    return [type(event).__name__ for event in events_of(connection, cik=cik)]


class TestDispatchMany:
    def test_carries_commands_out_in_order_and_each_sees_those_before_it(self, connection: psycopg.Connection) -> None:
        commands: list[Command] = [
            RegisterCompanyFactory.build(cik=320193),
            ReportFilingFactory.build(accession=ACCESSION, facts=(ASSETS,)),
            ReportFilingFactory.build(accession=ACCESSION, facts=(REVENUE,), mode="merge"),
            WithdrawFilingFactory.build(accession=ACCESSION),
        ]

        outcomes = dispatch_many(connection, commands, now=NOW)

        assert [outcome.version for outcome in outcomes if isinstance(outcome, Accepted)] == [1, 2, 3, 4]
        assert event_types(connection, cik=320193) == [
            "CompanyRegistered",
            "FilingReported",
            "FilingCorrected",
            "FilingWithdrawn",
        ]

    def test_a_refused_command_fails_alone(self, apple: psycopg.Connection) -> None:
        commands: list[Command] = [
            ReportFilingFactory.build(),
            ReportFilingFactory.build(accession="nonsense"),
            ReportFilingFactory.build(cik=4),
            ReportFilingFactory.build(),
        ]

        outcomes = dispatch_many(apple, commands, now=NOW)

        assert [type(outcome) for outcome in outcomes] == [Accepted, InvalidCommand, UnknownCompany, Accepted]
        assert event_types(apple, cik=320193) == ["CompanyRegistered", "FilingReported", "FilingReported"]

    def test_the_same_commands_again_add_nothing(self, apple: psycopg.Connection) -> None:
        commands = ReportFilingFactory.build_batch(5, mode="merge")
        dispatch_many(apple, commands, now=NOW)

        again = dispatch_many(apple, commands, now=NOW)

        assert [outcome.event_ids for outcome in again if isinstance(outcome, Accepted)] == [()] * 5
        assert len(events_of(apple, cik=320193)) == 6

    def test_a_merge_is_laid_over_the_facts_read_back_from_the_log(self, apple: psycopg.Connection) -> None:
        dispatch(apple, ReportFilingFactory.build(accession=ACCESSION, facts=(ASSETS,)), now=NOW)

        dispatch(apple, ReportFilingFactory.build(accession=ACCESSION, facts=(REVENUE,), mode="merge"), now=NOW)

        assert events_of(apple, cik=320193)[-1].facts == (ASSETS, REVENUE)  # type: ignore[attr-defined]  # any event

    def test_nothing_to_do_is_no_transaction_left_open(self, connection: psycopg.Connection) -> None:
        assert dispatch_many(connection, [], now=NOW) == []
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


class TestDispatch:
    def test_an_acceptance_time_recorded_earlier_is_part_of_the_report(self, apple: psycopg.Connection) -> None:
        dispatch(apple, RecordAcceptance(cik=320193, filings=((ACCESSION, ACCEPTED_AT),)), now=NOW)

        dispatch(apple, ReportFilingFactory.build(accession=ACCESSION), now=NOW)

        assert events_of(apple, cik=320193)[-1].accepted_at == ACCEPTED_AT  # type: ignore[attr-defined]  # any event

    def test_an_acceptance_time_that_came_with_a_report_survives_its_correction(
        self, apple: psycopg.Connection
    ) -> None:
        dispatch(apple, ReportFilingFactory.build(accession=ACCESSION, accepted_at=ACCEPTED_AT), now=NOW)

        dispatch(apple, ReportFilingFactory.build(accession=ACCESSION, facts=(ASSETS,)), now=NOW)

        assert events_of(apple, cik=320193)[-1].accepted_at == ACCEPTED_AT  # type: ignore[attr-defined]  # any event

    def test_expects_the_version_its_sender_has_seen(self, apple: psycopg.Connection) -> None:
        accepted = dispatch(apple, RenameCompany(cik=320193, name="Apple"), expected_version=1, now=NOW)

        with pytest.raises(VersionConflict):
            dispatch(apple, RenameCompany(cik=320193, name="Pear"), expected_version=1, now=NOW)
        assert accepted.version == 2

    def test_draws_no_event_id_when_the_version_is_another(self, apple: psycopg.Connection) -> None:
        before = apple.execute("select last_value from events.event_id_seq").fetchone()

        with pytest.raises(VersionConflict):
            dispatch(apple, RenameCompany(cik=320193, name="Pear"), expected_version=7, now=NOW)

        assert apple.execute("select last_value from events.event_id_seq").fetchone() == before

    def test_a_refusal_writes_no_row(self, connection: psycopg.Connection) -> None:
        for command in (ReportFilingFactory.build(), WithdrawFilingFactory.build()):
            with pytest.raises(CommandError):
                dispatch(connection, command, idempotency_key="k", now=NOW)

        row = connection.execute(
            "select (select count(*) from events.stream) + (select count(*) from events.idempotency)"
        ).fetchone()
        assert row == (0,)

    def test_a_company_registered_by_eight_at_once_is_registered_once(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection]
    ) -> None:
        command = RegisterCompanyFactory.build()
        connections = [connect() for _ in range(8)]

        with ThreadPoolExecutor(8) as senders:
            accepted = list(senders.map(lambda sender: dispatch(sender, command, now=NOW), connections))

        assert sum(len(answer.event_ids) for answer in accepted) == 1
        assert {(answer.version, answer.position_token) for answer in accepted} == {
            (1, accepted[0].position_token),
        }

    def test_a_merger_is_remembered_across_transactions(self, connection: psycopg.Connection) -> None:
        google, alphabet = 1288776, 1652044
        dispatch_many(connection, [RegisterCompanyFactory.build(cik=cik) for cik in (google, alphabet)], now=NOW)
        command = MergeCompany(cik=alphabet, predecessor_cik=google, effective_on=date(2015, 10, 2))

        first, again = (dispatch(connection, command, now=NOW) for _ in range(2))

        assert (len(first.event_ids), len(again.event_ids)) == (1, 0)

    @pytest.mark.parametrize("key", [None, "k"])
    def test_a_refusal_is_told_though_the_session_is_lost_at_its_rollback(
        self, connection: psycopg.Connection, database_url: str, key: str | None
    ) -> None:
        with LostAtTheEnd.connect(database_url, autocommit=True) as sender:
            sender.killer = connection
            with pytest.raises(UnknownCompany):
                dispatch(sender, ReportFilingFactory.build(), idempotency_key=key, now=NOW)
