"""`manage.py ingest` and `make_sample` as their users meet them: output, exit codes, interruption."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import psycopg
import pytest
from django.core.management import call_command
from redis import Redis

from commands.sources.ingest import FILINGS_PER_BATCH
from projections.management.commands.make_sample import catalogue_concepts
from tests.fixtures.companyfacts_files import company_document, fact, write_bulky_archive
from tests.fixtures.real_data import ROOT, real_data


def ingested(source: str, *paths: Path, wait: bool = False) -> tuple[int, str, str]:
    """The exit code, output and error output of an ingest."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("ingest", source, *map(str, paths), wait=wait, stdout=out, stderr=err)
    return int(left.value.code or 0), out.getvalue(), err.getvalue()


def bundled_lines(ciks: list[int]) -> bytes:
    """The lines of the bundled sample that tell of some companies."""
    with gzip.open(ROOT / "sample" / "companies.jsonl.gz") as lines:
        return b"".join(line for line in lines if json.loads(line)["cik"] in ciks)


def rows_written(connection: psycopg.Connection) -> int:
    row = connection.execute("select count(*) from events.event").fetchone()
    assert row is not None
    return int(row[0])


class TestIngestCommand:
    def test_says_what_is_new_and_what_was_there(self, connection: psycopg.Connection, tmp_path: Path) -> None:
        (tmp_path / "apple.json").write_bytes(company_document({"Revenues": {"USD": [fact()]}}))

        first = ingested("companyfacts", tmp_path)
        second = ingested("companyfacts", tmp_path)

        assert first[0] == second[0] == 0
        assert "1 files, 1 filings, 1 facts read: 2 new events" in first[1]
        assert "0 new events, everything was there already" in second[1]

    def test_exits_with_1_and_names_the_place_when_a_filing_is_bad(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        facts = [fact(), fact(accn="0000320193-22-000108", filed="2022-10-28", end="2020-01-01")]
        (tmp_path / "apple.json").write_bytes(company_document({"Revenues": {"USD": facts}}))

        code, out, err = ingested("companyfacts", tmp_path)

        assert code == 1
        assert f"skipped {tmp_path}/apple.json: 0000320193-22-000108: us-gaap:Revenues" in err
        assert "1 skipped" in out
        assert rows_written(connection) == 2

    def test_exits_with_2_and_changes_nothing_when_nothing_is_usable(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
            archive.writestr("CIK0000320193.json", company_document({"Revenues": {"USD": [fact()]}}))
        packed = (tmp_path / "whole.zip").read_bytes()
        (tmp_path / "whole.zip").write_bytes(packed[:-30])

        for source in ("companyfacts", "fsds", "submissions"):
            code, _, err = ingested(source, tmp_path / "whole.zip", tmp_path / "missing")
            assert code == 2
            assert "truncated or damaged" in err
            assert "no such file" in err
        assert rows_written(connection) == 0

    def test_exits_with_2_where_a_document_is_none_of_the_kind_and_goes_on_behind_a_path_that_cannot_be(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        (tmp_path / "list.json").write_text("[]")
        (tmp_path / "apple.json").write_bytes(company_document({"Revenues": {"USD": [fact()]}}))

        for source in ("companyfacts", "submissions"):
            code, out, _ = ingested(source, tmp_path / "list.json")
            assert (code, "everything was there already" in out) == (2, False), source
        code, _, err = ingested("companyfacts", tmp_path / ("x" * 300), tmp_path / "apple.json")

        assert (code, rows_written(connection)) == (1, 2)
        assert "no such file" in err

    def test_waits_until_the_figures_can_be_read(
        self, connection: psycopg.Connection, redis: Redis, tmp_path: Path
    ) -> None:
        (tmp_path / "apple.jsonl.gz").write_bytes(gzip.compress(bundled_lines([320193])))

        code, out, _ = ingested("sample", tmp_path / "apple.jsonl.gz", wait=True)

        assert code == 0
        assert "the figures can be read" in out
        revenue = connection.execute(
            """
            select value, accession from figures_v1.metric_value
            where cik = 320193 and metric = 'revenue' and period_end = '2023-09-30' and period_type = 'annual'
              and revision = 0
            """
        ).fetchall()
        assert revenue == [(383285000000, "0000320193-23-000106")]

    def test_stops_cleanly_at_ctrl_c_and_goes_on_the_next_time(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        facts = [fact(accn=f"0000320193-23-{n:06}") for n in range(FILINGS_PER_BATCH)]
        (tmp_path / "first.json").write_bytes(company_document({"Revenues": {"USD": facts}}))
        os.mkfifo(tmp_path / "second.json")
        command = [sys.executable, "manage.py", "ingest", "companyfacts", "first.json", "second.json"]
        command[3:] = ["companyfacts", str(tmp_path / "first.json"), str(tmp_path / "second.json")]

        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            # Once the second file is opened for reading, the first one is in.
            with (tmp_path / "second.json").open("wb"):
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)

        assert process.returncode == 130, err
        assert f"interrupted; what is in stays in: 1 files, {FILINGS_PER_BATCH} filings" in out
        assert rows_written(connection) == FILINGS_PER_BATCH + 1
        assert f"{FILINGS_PER_BATCH} unchanged" in ingested("companyfacts", tmp_path / "first.json")[1]

    @pytest.mark.slow
    def test_keeps_memory_small_whatever_the_size_of_an_archive(
        self, connection: psycopg.Connection, tmp_path: Path
    ) -> None:
        archive = tmp_path / "companyfacts.zip"
        write_bulky_archive(archive, companies=110, mebibytes_each=4, facts_of_largest=60_000)
        program = (
            "import runpy, sys\n"
            "try: runpy.run_path('manage.py', run_name='__main__')\n"
            # Not getrusage: its peak begins with that of the process that started this one.
            "finally: print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        )
        command = [sys.executable, "-c", program, "ingest", "companyfacts", str(archive)]

        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

        assert done.returncode == 0, done.stderr
        assert "110 files" in done.stdout
        assert int(done.stdout.split()[-2]) < 300 * 1024


class TestMakeSample:
    def test_derives_a_file_that_can_be_ingested(self, connection: psycopg.Connection, tmp_path: Path) -> None:
        facts = {"Revenues": {"USD": [fact()]}, "NotInTheCatalogue": {"USD": [fact()]}}
        (tmp_path / "apple.json").write_bytes(company_document(facts))
        (tmp_path / "tickers.json").write_text(
            json.dumps({"0": {"cik_str": 320193, "ticker": "AAPL", "title": "Apple Inc."}})
        )
        out = io.StringIO()

        call_command(
            "make_sample",
            out=tmp_path / "sample.jsonl.gz",
            companyfacts=[tmp_path / "apple.json"],
            classifications=[tmp_path / "tickers.json"],
            stdout=out,
        )

        assert "1 companies, 1 filings, 1 facts" in out.getvalue()
        assert ingested("sample", tmp_path / "sample.jsonl.gz")[0] == 0
        assert rows_written(connection) == 2

    def test_makes_the_bundled_lines_byte_for_byte(self, tmp_path: Path) -> None:
        data = real_data("companyfacts").parent
        for vintage in (data / "companyfacts").glob("CIK0000320193.*"):
            (tmp_path / vintage.name).symlink_to(vintage)

        call_command(
            "make_sample",
            out=tmp_path / "sample.jsonl.gz",
            companyfacts=[tmp_path, data / "companyfacts_trimmed" / "CIK0000070858.BAC.json.gz"],
            submissions=[data / "submissions"],
            classifications=[
                data / "tickers" / "cik_sic.csv.gz",
                data / "tickers" / "company_tickers.edgartools.9610.json.gz",
            ],
            stdout=io.StringIO(),
        )

        made = gzip.decompress((tmp_path / "sample.jsonl.gz").read_bytes())
        assert made == bundled_lines([70858, 320193])

    def test_keeps_every_concept_of_the_catalogue(self) -> None:
        assert {"us-gaap:Revenues", "us-gaap:Assets", "dei:EntityCommonStockSharesOutstanding"} <= catalogue_concepts()
