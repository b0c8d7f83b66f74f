"""From files to events: what is new goes in once, what is bad stays out alone."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import psycopg
import pytest

from commands.companies.register_company import RegisterCompany
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from commands.sources.classifications import read_classifications
from commands.sources.companyfacts import read_companyfacts
from commands.sources.fsds import read_fsds
from commands.sources.ingest import FILINGS_PER_BATCH, PATIENCE_FOR_A_COMPANY, Tally, ingest
from commands.sources.reading import Proposal, Reading, Skipped
from commands.sources.submissions import read_submissions
from tests.fixtures.companyfacts_files import company_document, fact
from tests.fixtures.real_data import real_data
from tests.unit.commands.sources.test_fsds import ACCESSION, NEW_NUM, data_set
from tests.unit.commands.sources.test_submissions import TEN_K, submissions

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def taken_in(
    connection: psycopg.Connection, reading: Reading, *, skipped: Callable[[Skipped], None] = lambda _: None
) -> Tally:
    tally = Tally()
    ingest(connection, reading, tally=tally, now=lambda: NOW, skipped=skipped, progress=lambda _: None)
    return tally


def events_of(connection: psycopg.Connection, *, cik: int) -> list[tuple[str, dict[str, object]]]:
    while sequence_pending(connection):
        pass
    events = read_log(connection, after=0, max_events=10_000)
    return [(event.type, json.loads(event.data)) for event in events if event.stream == f"company-{cik}"]


def apple_file(folder: Path, *facts: dict[str, object]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "CIK0000320193.json").write_bytes(company_document({"Revenues": {"USD": list(facts)}}))
    return folder


class TestIngest:
    def test_adds_nothing_the_second_time(self, connection: psycopg.Connection, tmp_path: Path) -> None:
        folder = apple_file(tmp_path, fact(), fact(accn="0000320193-22-000108", filed="2022-10-28"))

        first = taken_in(connection, read_companyfacts([folder]))
        second = taken_in(connection, read_companyfacts([folder]))

        assert (first.events, first.filings, first.facts, first.files) == (3, 2, 2, 1)
        assert (second.events, second.unchanged, second.passed_over, second.facts) == (0, 2, 1, 0)

    def test_adds_only_what_a_newer_vintage_has_more(self, connection: psycopg.Connection, tmp_path: Path) -> None:
        older = fact(accn="0000320193-22-000108", filed="2022-10-28")
        taken_in(connection, read_companyfacts([apple_file(tmp_path, older)]))

        newer = taken_in(connection, read_companyfacts([apple_file(tmp_path, older, fact())]))

        assert newer.events == 1
        assert [kind for kind, _ in events_of(connection, cik=320193)] == [
            "CompanyRegistered",
            "FilingReported",
            "FilingReported",
        ]

    def test_lays_new_facts_of_a_known_filing_over_the_old(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        quarter = fact(start="2023-07-02", val=89498000000)
        taken_in(connection, read_companyfacts([apple_file(tmp_path / "year", fact())]))

        taken_in(connection, read_companyfacts([apple_file(tmp_path / "quarter", quarter)]))
        again = taken_in(connection, read_companyfacts([tmp_path / "year"]))

        kind, corrected = events_of(connection, cik=320193)[-1]
        assert kind == "FilingCorrected"
        assert corrected["facts"] == [
            [
                "us-gaap:Revenues",
                "USD",
                [["2022-09-25", "2023-09-30", "383285000000"], ["2023-07-02", "2023-09-30", "89498000000"]],
            ]
        ]
        assert again.events == 0

    def test_lets_a_refused_command_stay_out_alone_and_names_its_place(self, connection: psycopg.Connection) -> None:
        def proposals() -> Reading:
            yield Proposal(place="first", command=RegisterCompany(cik=1, name="One", sic="nonsense"))
            yield Proposal(place="second", command=RegisterCompany(cik=2, name="Two"))

        told: list[Skipped] = []
        tally = taken_in(connection, proposals(), skipped=told.append)

        assert (tally.events, tally.skipped) == (1, 1)
        assert [item.place for item in told] == ["first"]
        assert "/sic" in told[0].reason

    def test_goes_in_batch_by_batch(self, connection: psycopg.Connection, tmp_path: Path) -> None:
        most = FILINGS_PER_BATCH * PATIENCE_FOR_A_COMPANY
        filings = [fact(accn=f"0000320193-23-{n:06}", end=f"2023-{n % 12 + 1:02}-28") for n in range(2 * most + 1)]
        seen: list[int] = []
        tally = Tally()

        ingest(
            connection,
            read_companyfacts([apple_file(tmp_path, *filings)]),
            tally=tally,
            now=lambda: NOW,
            skipped=lambda _: None,
            progress=lambda so_far: seen.append(so_far.filings),
        )

        assert seen == [most, 2 * most, 2 * most + 1]
        assert tally.events == 2 * most + 2

    def test_ends_a_batch_with_a_company(self, connection: psycopg.Connection, tmp_path: Path) -> None:
        filings = [fact(accn=f"0000320193-23-{n:06}") for n in range(FILINGS_PER_BATCH + 50)]
        apple_file(tmp_path, *filings)
        other = json.loads((tmp_path / "CIK0000320193.json").read_text()) | {"cik": 320194}
        (tmp_path / "CIK0000320194.json").write_text(json.dumps(other))
        seen: list[int] = []

        ingest(
            connection,
            read_companyfacts([tmp_path]),
            tally=Tally(),
            now=lambda: NOW,
            skipped=lambda _: None,
            progress=lambda so_far: seen.append(so_far.filings),
        )

        assert sorted(set(seen)) == [FILINGS_PER_BATCH + 50, 2 * (FILINGS_PER_BATCH + 50)]

    def test_keeps_what_is_in_when_it_is_interrupted(self, connection: psycopg.Connection, tmp_path: Path) -> None:
        most = FILINGS_PER_BATCH * PATIENCE_FOR_A_COMPANY
        folder = apple_file(tmp_path, *[fact(accn=f"0000320193-23-{n:06}") for n in range(most + 50)])

        class Stopped(Exception):
            pass

        def stop(so_far: Tally) -> None:
            raise Stopped

        try:
            ingest(
                connection,
                read_companyfacts([folder]),
                tally=Tally(),
                now=lambda: NOW,
                skipped=lambda _: None,
                progress=stop,
            )
        except Stopped:
            pass
        rest = taken_in(connection, read_companyfacts([folder]))

        assert (rest.unchanged, rest.events) == (most, 50)


class TestSourcesTogether:
    def test_companyfacts_replace_a_data_set_and_never_the_other_way_round(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        exact = fact(
            accn=ACCESSION, form="10-Q", filed="2010-04-21", start="2009-12-27", end="2010-03-27", val=13499000000
        )
        zipped = data_set(
            tmp_path, num=(NEW_NUM, f"{ACCESSION}\tRevenues\tus-gaap/2009\t20100331\t1\tUSD\t\t\t13499000000.0\t")
        )
        taken_in(connection, read_fsds([zipped]))

        replaced = taken_in(connection, read_companyfacts([apple_file(tmp_path / "facts", exact)]))
        again = taken_in(connection, read_fsds([zipped]))

        assert (replaced.events, again.events) == (1, 0)
        kind, content = events_of(connection, cik=320193)[-1]
        assert kind == "FilingCorrected"
        assert content["facts"] == [["us-gaap:Revenues", "USD", [["2009-12-27", "2010-03-27", "13499000000"]]]]
        assert content["accepted_at"] == "2010-04-21T20:39:00Z"

    @pytest.mark.parametrize("order", [*permutations(("facts", "fsds", "submissions"))], ids="-".join)
    def test_in_any_order_a_filing_ends_with_exact_periods_and_seconds_and_again_is_no_event(
        self, connection: psycopg.Connection, tmp_path: Path, order: tuple[str, ...]
    ) -> None:
        exact = fact(accn=ACCESSION, form="10-Q", filed="2010-04-21", start="2009-12-27", end="2010-03-27", val=1)
        apple_file(tmp_path / "facts", exact)
        data_set(tmp_path, num=(NEW_NUM, f"{ACCESSION}\tRevenues\tus-gaap/2009\t20100331\t1\tUSD\t\t\t1.0\t"))
        told = (ACCESSION, "2010-04-21", "2010-04-21T20:39:17.000Z", "10-Q", 1)
        (tmp_path / "CIK0000320193.json").write_text(json.dumps(submissions(told)))
        read: dict[str, Callable[[], Reading]] = {
            "facts": lambda: read_companyfacts([tmp_path / "facts"]),
            "fsds": lambda: read_fsds([tmp_path / "2010q2.zip"]),
            "submissions": lambda: read_submissions([tmp_path / "CIK0000320193.json"]),
        }
        for source in order:
            taken_in(connection, read[source]())

        again = [taken_in(connection, read[source]()).events for source in order]

        *_, content = (event for kind, event in events_of(connection, cik=320193) if kind.startswith("Filing"))
        accepted = connection.execute("select accepted_at from events.acceptance_state").fetchall()
        assert again == [0, 0, 0]
        assert content["facts"] == [["us-gaap:Revenues", "USD", [["2009-12-27", "2010-03-27", "1"]]]]
        assert accepted == [(datetime(2010, 4, 21, 20, 39, 17, tzinfo=UTC),)]

    def test_a_data_set_tells_when_a_filing_was_accepted_whose_content_is_known_better(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        exact = fact(accn=ACCESSION, form="10-Q", filed="2010-04-21", start="2009-12-27", end="2010-03-27", val=1)
        taken_in(connection, read_companyfacts([apple_file(tmp_path / "facts", exact)]))
        zipped = data_set(tmp_path, num=(NEW_NUM, f"{ACCESSION}\tRevenues\tus-gaap/2009\t20100331\t1\tUSD\t\t\t1.0\t"))

        taken_in(connection, read_fsds([zipped]))

        assert events_of(connection, cik=320193)[-1] == (
            "AcceptanceRecorded",
            {"cik": 320193, "filings": [[ACCESSION, "2010-04-21T20:39:00Z"]]},
        )

    def test_submissions_tell_who_a_company_is_and_older_tables_do_not_undo_it(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        taken_in(connection, read_companyfacts([apple_file(tmp_path / "facts", fact())]))
        (tmp_path / "CIK0000320193.json").write_text(json.dumps(submissions(TEN_K)))
        (tmp_path / "sic.csv.gz").write_bytes(gzip.compress(b"cik,sic,country\n320193,9999,FR\n1,1000,US\n"))

        told = taken_in(connection, read_submissions([tmp_path / "CIK0000320193.json"]))
        older = taken_in(connection, read_classifications([tmp_path / "sic.csv.gz"]))
        again = taken_in(connection, read_submissions([tmp_path / "CIK0000320193.json"]))

        assert (told.events, older.events, again.events) == (3, 0, 0)
        assert older.passed_over == 2
        assert [kind for kind, _ in events_of(connection, cik=320193)[2:]] == [
            "CompanyReclassified",
            "TickersChanged",
            "AcceptanceRecorded",
        ]

    def test_a_table_fills_in_what_a_submissions_file_left_out(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        (tmp_path / "CIK0000320193.json").write_text(json.dumps(submissions(TEN_K, category="")))
        (tmp_path / "t.csv").write_text("cik,sic,country,filer_status\n320193,9999,FR,1-LAF\n320193,,,2-ACC\n")
        taken_in(connection, read_submissions([tmp_path / "CIK0000320193.json"]))

        filled = taken_in(connection, read_classifications([tmp_path / "t.csv"]))
        again = taken_in(connection, read_submissions([tmp_path / "CIK0000320193.json"]))

        assert (filled.events, filled.passed_over, again.events) == (1, 1, 0)
        assert events_of(connection, cik=320193)[-1] == (
            "CompanyReclassified",
            {"cik": 320193, "sic": "3571", "country": "US", "size_class": "large_accelerated"},
        )

    def test_acceptance_times_told_first_are_filled_into_filings(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        (tmp_path / "CIK0000320193.json").write_text(json.dumps(submissions(TEN_K)))
        taken_in(connection, read_submissions([tmp_path / "CIK0000320193.json"]))

        taken_in(connection, read_companyfacts([apple_file(tmp_path / "facts", fact())]))

        kind, reported = events_of(connection, cik=320193)[-1]
        assert (kind, reported["accepted_at"]) == ("FilingReported", "2023-11-02T22:08:27Z")


class TestRealVintages:
    def test_a_newer_file_adds_only_the_new_filing(self, connection: psycopg.Connection) -> None:
        folder = real_data("companyfacts")

        older = taken_in(connection, read_companyfacts([folder / "CIK0001045810.asof2026-02-25.json.gz"]))
        newer = taken_in(connection, read_companyfacts([folder / "CIK0001045810.asof2026-06-17.json.gz"]))
        again = taken_in(connection, read_companyfacts([folder / "CIK0001045810.asof2026-06-17.json.gz"]))

        assert older.events == older.filings + 1
        assert newer.events == newer.filings - older.filings
        assert newer.facts_read - older.facts_read == newer.facts
        assert again.events == 0

    def test_vintages_of_submissions_settle_at_once(self, connection: psycopg.Connection) -> None:
        folder = real_data("submissions")

        first = taken_in(connection, read_submissions([folder]))
        second = taken_in(connection, read_submissions([folder]))

        assert first.events > 100
        assert second.events == 0
        assert second.skipped == 0 == first.skipped


def test_skipped_items_are_told_as_they_come(connection: psycopg.Connection, tmp_path: Path) -> None:
    told: list[Skipped] = []
    bad = fact(end="2020-01-01", accn="0000320193-20-000001")

    ingest(
        connection,
        read_companyfacts([apple_file(tmp_path, bad, fact())]),
        tally=(tally := Tally()),
        now=lambda: NOW,
        skipped=told.append,
        progress=lambda _: None,
    )

    assert (tally.filings, tally.skipped, len(told)) == (1, 1, 1)
