"""Commands of several senders in one transaction, on a real database."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from django.conf import settings
from psycopg.conninfo import make_conninfo

from commands.companies.rename_company import RenameCompany
from commands.connections import MOST_CONNECTIONS, MOST_WHO_WAIT
from commands.dispatch import Accepted, dispatch, request_hash
from commands.errors import FilingAlreadyWithdrawn, IdempotencyKeyReused, UnknownCompany, VersionConflict
from commands.event_log.append import lock_streams
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from commands.filings.events import ConceptFacts
from commands.group_commit import MOST_BYTES, JointDispatch, joint_dispatch
from commands.idempotency import once
from commands.messages import Command
from commands.together import dispatch_together
from commands.working_set import Request
from tests.fixtures.filings import NOW, RegisterCompanyFactory, ReportFilingFactory, WithdrawFilingFactory
from tests.fixtures.sessions import waiting_for_locks
from tests.fixtures.waiting import wait_until

type Connect = Callable[[], psycopg.Connection]

CIKS = (1, 2, 3, 4)
ACCESSION = "0000320193-23-000106"


@pytest.fixture(autouse=True)
def _companies(connection: psycopg.Connection) -> None:
    for cik in CIKS:
        dispatch(connection, RegisterCompanyFactory.build(cik=cik), now=NOW)


@pytest.fixture
def way_in() -> JointDispatch:
    return joint_dispatch(settings.FACTFOLD.database_url)


def together(connection: psycopg.Connection, *requests: Request | Command) -> list[object]:
    """What each came to: a version, the type of a refusal, or None for what has to go alone."""
    sent = [request if isinstance(request, Request) else Request(command=request) for request in requests]
    outcomes = dispatch_together(connection, lambda: sent, now=lambda: NOW)
    return [
        outcome.version if isinstance(outcome, Accepted) else None if outcome is None else type(outcome)
        for outcome in outcomes
    ]


def transactions_of_events(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(distinct xmin::text) from events.event").fetchone()
    assert row
    return int(row[0])


class TestDispatchTogether:
    def test_commands_of_several_senders_share_a_transaction_and_keep_their_own_traces(
        self, connection: psycopg.Connection
    ) -> None:
        before = transactions_of_events(connection)
        metas = [f'{{"traceparent":"00-{cik:032x}-{cik:016x}-01"}}' for cik in CIKS]
        requests = [
            Request(command=ReportFilingFactory.build(cik=cik), meta=meta)
            for cik, meta in zip(CIKS, metas, strict=True)
        ]

        assert together(connection, *requests) == [2] * 4

        assert transactions_of_events(connection) == before + 1
        rows = connection.execute("select meta::text from events.event where version = 2 order by stream").fetchall()
        assert [meta for (meta,) in rows] == metas

    def test_a_refused_one_has_no_effect_and_the_others_have_theirs(self, connection: psycopg.Connection) -> None:
        withdrawn = WithdrawFilingFactory.build(cik=2, accession=ACCESSION)

        outcomes = together(
            connection,
            ReportFilingFactory.build(cik=1),
            ReportFilingFactory.build(cik=2, accession=ACCESSION),
            withdrawn,
            ReportFilingFactory.build(cik=2, accession=ACCESSION),
            ReportFilingFactory.build(cik=3),
        )

        assert outcomes == [2, 2, 3, FilingAlreadyWithdrawn, 2]

    def test_of_two_that_expect_the_same_version_the_first_gets_it(self, connection: psycopg.Connection) -> None:
        requests = [
            Request(command=RenameCompany(cik=1, name=name), expected_version=expected)
            for name, expected in (("One", 1), ("Two", 1), ("Three", 2))
        ]

        assert together(connection, *requests) == [2, VersionConflict, 3]

        name = connection.execute("select name from events.company_state where cik = 1").fetchone()
        assert name == ("Three",)

    def test_what_somebody_else_has_locked_is_left_to_its_sender(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        other = connect()
        with other.transaction():
            lock_streams(other, ["company-2"])

            outcomes = together(connection, *(ReportFilingFactory.build(cik=cik) for cik in (1, 2, 3)))

        assert outcomes == [2, None, 2]
        rows = connection.execute("select version from events.stream order by stream").fetchall()
        assert rows == [(2,), (1,), (2,), (1,)]

    def test_what_was_written_to_while_it_was_decided_is_left_to_its_sender_with_all_that_rests_on_it(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        other = connect()
        requests = [
            Request(command=RenameCompany(cik=1, name="One"), idempotency_key="a"),
            Request(command=RenameCompany(cik=2, name="Two"), idempotency_key="b"),
            Request(command=RenameCompany(cik=1, name="Uno"), idempotency_key="c", expected_version=1),
        ]

        def write_to_the_first() -> None:
            dispatch(other, RenameCompany(cik=1, name="First"), now=NOW)

        answers = dispatch_together(connection, lambda: requests, now=lambda: NOW, before_writing=write_to_the_first)

        assert [isinstance(answer, Accepted) for answer in answers] == [False, True, False]
        assert [answer is None for answer in answers] == [True, False, True]
        names = connection.execute("select name from events.company_state where cik in (1, 2) order by cik").fetchall()
        assert names == [("First",), ("Two",)]
        assert connection.execute("select key from events.idempotency").fetchall() == [("b",)]

    def test_nothing_is_locked_while_it_is_decided(self, connection: psycopg.Connection, connect: Connect) -> None:
        other = connect()

        def lock_and_let_go() -> None:
            with other.transaction():
                other.execute("set local lock_timeout = '1s'")
                lock_streams(other, ["company-1"])

        request = Request(command=ReportFilingFactory.build(cik=1))
        (answer,) = dispatch_together(connection, lambda: [request], now=lambda: NOW, before_writing=lock_and_let_go)

        assert isinstance(answer, Accepted)

    def test_of_two_that_open_a_stream_at_once_one_is_left_to_its_sender(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        other, command = connect(), RegisterCompanyFactory.build(cik=5)

        def open_it() -> None:
            dispatch(other, command, now=NOW)

        requests = [Request(command=command), Request(command=ReportFilingFactory.build(cik=1))]
        answers = dispatch_together(connection, lambda: requests, now=lambda: NOW, before_writing=open_it)

        assert [answer is None for answer in answers] == [True, False]
        rows = connection.execute("select version from events.event where stream = 'company-5'").fetchall()
        assert rows == [(1,)]

    def test_a_company_nobody_knows_is_refused_and_the_others_are_served(self, connection: psycopg.Connection) -> None:
        assert together(connection, ReportFilingFactory.build(cik=404), ReportFilingFactory.build(cik=1)) == [
            UnknownCompany,
            2,
        ]

    def test_what_breaks_the_transaction_leaves_all_to_their_senders(self, connection: psycopg.Connection) -> None:
        poison = Request(command=ReportFilingFactory.build(cik=2), meta="no JSON")

        assert together(connection, ReportFilingFactory.build(cik=1), poison) == [None, None]

        assert connection.execute("select count(*) from events.event").fetchone() == (len(CIKS),)
        assert together(connection, ReportFilingFactory.build(cik=1)) == [2]

    def test_a_lost_connection_is_told_and_nothing_is_said_of_the_effect(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        lost = connect()

        def take() -> Sequence[Request]:
            connection.execute("select pg_terminate_backend(%s)", [lost.info.backend_pid])
            return [Request(command=ReportFilingFactory.build(cik=1))]

        with pytest.raises(psycopg.OperationalError):
            dispatch_together(lost, take, now=lambda: NOW)


class TestKeys:
    def keyed(self, key: str, *, cik: int, facts: tuple[ConceptFacts, ...] | None = None) -> Request:
        more = {} if facts is None else {"facts": facts}
        command = ReportFilingFactory.build(cik=cik, accession=ACCESSION, **more)
        return Request(command=command, idempotency_key=key)

    def test_each_answer_is_kept_under_its_key(self, connection: psycopg.Connection) -> None:
        requests = [self.keyed("a", cik=1), self.keyed("b", cik=2)]
        answers = dispatch_together(connection, lambda: requests, now=lambda: NOW)

        again = [dispatch(connection, each.command, idempotency_key=each.idempotency_key, now=NOW) for each in requests]

        assert again == answers
        with pytest.raises(IdempotencyKeyReused):
            dispatch(connection, requests[0].command, idempotency_key="b", now=NOW)

    def test_a_key_seen_before_is_left_to_its_sender(self, connection: psycopg.Connection) -> None:
        together(connection, self.keyed("a", cik=1))

        assert together(connection, self.keyed("a", cik=1), self.keyed("b", cik=2), self.keyed("b", cik=2)) == [
            None,
            2,
            None,
        ]

    def test_a_refused_command_leaves_its_key_free(self, connection: psycopg.Connection) -> None:
        together(connection, self.keyed("z", cik=1))
        together(connection, WithdrawFilingFactory.build(cik=1, accession=ACCESSION))

        assert together(connection, self.keyed("a", cik=1), self.keyed("b", cik=2)) == [FilingAlreadyWithdrawn, 2]

        keys = connection.execute("select key from events.idempotency order by key").fetchall()
        assert keys == [("b",), ("z",)]

    def test_a_key_somebody_else_is_using_holds_nobody_up(
        self, connection: psycopg.Connection, connect: Connect
    ) -> None:
        other, request = connect(), self.keyed("a", cik=1)
        with other.transaction():
            once(other, key="a", request_hash=request_hash(request.command), status=202, work=lambda: "{}")

            assert together(connection, request, ReportFilingFactory.build(cik=2)) == [None, None]

        assert together(connection, ReportFilingFactory.build(cik=2)) == [2]


class TestJointDispatch:
    def test_thirty_two_senders_each_get_their_own_answer_and_nothing_is_skipped_or_swapped(
        self, connection: psycopg.Connection, way_in: JointDispatch
    ) -> None:
        def send(number: int) -> Accepted:
            return way_in.dispatch(
                ReportFilingFactory.build(cik=CIKS[number % 4]), size=100, idempotency_key=f"{number}"
            )

        with ThreadPoolExecutor(32) as senders:
            answers = list(senders.map(send, range(200)))
        while sequence_pending(connection):
            pass

        log = read_log(connection, after=0, max_events=999)
        by_id = {event.event_id: (event.stream, event.version) for event in log}
        assert [event.position for event in log] == list(range(1, 205))
        assert [by_id[event_id] for answer in answers for event_id in answer.event_ids] == [
            (f"company-{CIKS[number % 4]}", answer.version) for number, answer in enumerate(answers)
        ]
        for cik in CIKS:
            assert [event.version for event in log if event.stream == f"company-{cik}"] == list(range(1, 52))

    def test_a_stream_held_for_long_holds_up_only_its_own_commands(
        self, connection: psycopg.Connection, connect: Connect, way_in: JointDispatch
    ) -> None:
        holder = connect()
        with ThreadPoolExecutor(8) as senders:

            def send(cik: int) -> Future[Accepted]:
                return senders.submit(way_in.dispatch, ReportFilingFactory.build(cik=cik), size=100)

            with holder.transaction():
                lock_streams(holder, ["company-2"])
                held = [send(2), send(2)]
                free = [send(cik) for cik in (1, 3, 4, 1)]

                assert sorted(future.result(10).version for future in free) == [2, 2, 2, 3]
                assert not any(future.done() for future in held)

            assert sorted(future.result(10).version for future in held) == [2, 3]

    def test_however_many_wait_for_a_stream_the_others_have_connections(
        self, connection: psycopg.Connection, connect: Connect, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("commands.connections.PATIENCE_SECONDS", 600)
        way_in = joint_dispatch(make_conninfo(database_url, application_name="patient"))
        holder = connect()
        with ThreadPoolExecutor(2 * MOST_CONNECTIONS) as senders:

            def send(cik: int) -> Future[Accepted]:
                return senders.submit(way_in.dispatch, ReportFilingFactory.build(cik=cik), size=100)

            with holder.transaction():
                lock_streams(holder, ["company-2"])
                held = [send(2) for _ in range(MOST_CONNECTIONS + 4)]
                wait_until(lambda: waiting_for_locks(connection) >= MOST_WHO_WAIT)

                others = [send(cik).result().version for cik in (1, 3, 1)]
                still_waiting = waiting_for_locks(connection)

            versions = sorted(each.result().version for each in held)

        assert (others, still_waiting) == ([2, 2, 3], MOST_WHO_WAIT)
        assert versions == list(range(2, MOST_CONNECTIONS + 6))

    @pytest.mark.parametrize("size", [100, MOST_BYTES + 1])
    def test_a_refusal_is_raised_to_its_sender(self, way_in: JointDispatch, size: int) -> None:
        with pytest.raises(UnknownCompany):
            way_in.dispatch(ReportFilingFactory.build(cik=404), size=size)
