"""The checks of a soak run find what they are there to find."""

from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from redis import Redis

from commands.dispatch import Accepted, dispatch
from commands.event_log.append import NewEvent, append_events, lock_streams
from commands.event_log.sequence import sequence_pending
from commands.messages import Command
from config.soak.ledger import Ledger, LedgerBroken, LedgerCheck, check_ledgers, check_told, read_ledger
from config.soak.watcher import FiguresReader, LogReader
from projections.sweeper import drain
from tests.factories import register_company, report_filing
from tests.fixtures.filings import NOW


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "writer.ledger"


@pytest.fixture
def ledger(file: Path) -> Ledger:
    return Ledger(file)


def send(connection: psycopg.Connection, ledger: Ledger, key: str, command: Command, *, heard: bool = True) -> None:
    ledger.send(key, command)
    accepted = dispatch(connection, command, idempotency_key=key, now=NOW)
    sequence_pending(connection)
    if heard:
        ledger.accept(key, accepted)


class TestLedger:
    @pytest.fixture(autouse=True)
    def _some_commands(self, connection: psycopg.Connection, ledger: Ledger) -> None:
        send(connection, ledger, "first", register_company(cik=101))
        send(connection, ledger, "second", report_filing(cik=101))
        send(connection, ledger, "unheard", report_filing(cik=101), heard=False)
        ledger.send("never sent", report_filing(cik=101))

    def test_agrees_with_a_log_that_holds_everything_once(self, connection: psycopg.Connection, file: Path) -> None:
        found = check_ledgers(connection, [read_ledger(file)])

        assert found == LedgerCheck(accepted=2, shared=0, refused=0, unheard=2, unheard_with_effect=1, events=3)

    @pytest.mark.parametrize(
        ("damage", "finding"),
        [
            ("delete from events.log where position = 2", "stands at None"),
            ("delete from events.idempotency where key = 'second'", "second was answered"),
            (
                "update events.event set data = replace(data::text, '\"1000\"', '\"1001\"')::json where version = 2",
                "said facts",
            ),
            ("update events.event set version = 9 where version = 2", "was told version 2"),
            (
                "insert into events.idempotency select 'x', request_hash, status, response "
                "from events.idempotency where key = 'second'",
                "nobody has sent",
            ),
        ],
    )
    def test_names_what_the_log_lacks(
        self, connection: psycopg.Connection, file: Path, damage: str, finding: str
    ) -> None:
        connection.execute(damage.encode())

        with pytest.raises(LedgerBroken, match=finding):
            check_ledgers(connection, [read_ledger(file)])

    def test_names_an_event_nobody_asked_for(self, connection: psycopg.Connection, file: Path) -> None:
        with connection.transaction():
            heads = lock_streams(connection, ["company-101"])
            append_events(connection, [NewEvent(stream="company-101", type="Tested", data=b"{}")], heads=heads)

        with pytest.raises(LedgerBroken, match="belongs to no command"):
            check_ledgers(connection, [read_ledger(file)])

    def test_names_a_refused_command_that_had_an_effect(
        self, connection: psycopg.Connection, ledger: Ledger, file: Path
    ) -> None:
        ledger.refuse("unheard", "invalid_command")

        with pytest.raises(LedgerBroken, match="was refused"):
            check_ledgers(connection, [read_ledger(file)])

    def test_takes_a_command_that_two_sent_at_once_for_what_either_was_told(
        self, connection: psycopg.Connection, ledger: Ledger, file: Path
    ) -> None:
        ledger.send_again("second")
        ledger.refuse("second", "unknown_company")
        ledger.send_again("unheard")
        ledger.refuse("unheard", "unknown_company")

        found = check_ledgers(connection, [read_ledger(file)])

        assert (found.accepted, found.refused, found.unheard_with_effect) == (2, 0, 1)

    def test_names_a_command_that_was_answered_in_two_ways(
        self, connection: psycopg.Connection, ledger: Ledger, file: Path
    ) -> None:
        first = read_ledger(file)["second"].answers[0]
        ledger.send_again("second")
        ledger.accept("second", msgspec.structs.replace(first, version=first.version + 1))

        with pytest.raises(LedgerBroken, match="second was answered"):
            check_ledgers(connection, [read_ledger(file)])

    def test_asks_what_became_of_what_nobody_heard_of(self, connection: psycopg.Connection, file: Path) -> None:
        unheard = read_ledger(file)["unheard"].command
        kept = dispatch(connection, unheard, idempotency_key="unheard", now=NOW)
        told = {"unheard": (kept, 3)}

        check_told(connection, told.get, [read_ledger(file)])

        lies: list[dict[str, tuple[Accepted, int | None]]] = [
            {},
            {"unheard": (kept, 2)},
            {**told, "never sent": (kept, 3)},
        ]
        for lie in lies:
            with pytest.raises(LedgerBroken, match="of which nobody had heard"):
                check_told(connection, lie.get, [read_ledger(file)])


class TestWatcher:
    def test_notes_a_position_that_was_skipped(
        self, connection: psycopg.Connection, ledger: Ledger, tmp_path: Path
    ) -> None:
        send(connection, ledger, "first", register_company(cik=101))
        send(connection, ledger, "second", report_filing(cik=101))
        connection.execute("delete from events.log where position = 1")

        LogReader(tmp_path / "findings").read_on(connection)

        assert "position 2 was read after 0" in (tmp_path / "findings").read_text()

    @pytest.mark.parametrize(
        ("change", "finding"), [(0, "went back"), (-1, "came back")], ids=["within an epoch", "to an old epoch"]
    )
    def test_notes_a_redis_that_goes_back(
        self, connection: psycopg.Connection, redis: Redis, ledger: Ledger, tmp_path: Path, change: int, finding: str
    ) -> None:
        send(connection, ledger, "first", register_company(cik=101))
        drain(connection, redis)
        reader = FiguresReader(tmp_path / "findings")
        reader.look(redis)
        pointer: Any = redis.get("{ff}:epoch")
        old, epoch = int(pointer), int(pointer) + change
        redis.set("{ff}:epoch", epoch)
        redis.set(f"{{ff}}:{epoch}:seq", 0)
        redis.set(f"{{ff}}:{epoch}:meta", redis.get(f"{{ff}}:{old}:meta"))  # type: ignore[arg-type]  # async in types

        reader.look(redis)

        assert finding in (tmp_path / "findings").read_text()
