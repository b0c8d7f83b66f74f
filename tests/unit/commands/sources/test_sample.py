"""The sample: what is written is what is read, and what ships is rich enough."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from commands.companies.register_company import RegisterCompany
from commands.filings.report_filing import ReportFiling
from commands.sources.companyfacts import read_companyfacts
from commands.sources.reading import Proposal
from commands.sources.sample import (
    CompanyFilings,
    Details,
    collect_filings,
    read_sample,
    sample_company,
    write_sample,
)
from tests.fixtures.proposals import commands_in, filings_in, skipped_in, value_of
from tests.fixtures.real_data import ROOT, real_data

SAMPLE = ROOT / "sample" / "companies.jsonl.gz"
ACCEPTED = datetime(2023, 11, 2, 22, 8, 27, tzinfo=UTC)


def apple() -> CompanyFilings:
    ten_k = ReportFiling(
        cik=320193,
        accession="0000320193-23-000106",
        form="10-K",
        filed_on=date(2023, 11, 3),
        source="companyfacts",
        facts=(
            ("us-gaap:Assets", "USD", ((None, "2022-09-24", "352755000000"), (None, "2023-09-30", "352583000000"))),
            ("us-gaap:EarningsPerShareBasic", "USD/shares", (("2022-09-25", "2023-09-30", "6.16"),)),
        ),
        mode="merge",
    )
    return CompanyFilings(registered=RegisterCompany(cik=320193, name="Apple Inc."), filings={ten_k.accession: ten_k})


class TestSampleFile:
    def test_gives_back_what_was_written(self, tmp_path: Path) -> None:
        details = Details(
            name="Apple",
            sic="3571",
            country="US",
            size_class="large_accelerated",
            tickers=("AAPL",),
            accepted={"0000320193-23-000106": ACCEPTED},
        )
        path = tmp_path / "deep" / "some.jsonl.gz"

        write_sample([sample_company(apple(), details)], path)
        commands = commands_in(read_sample([path]))

        (filing,) = apple().filings.values()
        assert commands[0] == RegisterCompany(
            cik=320193,
            name="Apple",
            sic="3571",
            country="US",
            tickers=("AAPL",),
            size_class="large_accelerated",
        )
        assert isinstance(commands[1], ReportFiling)
        assert commands[1].facts == filing.facts
        assert (commands[1].accepted_at, commands[1].source, commands[1].mode) == (ACCEPTED, "sample", "merge")

    def test_is_the_same_bytes_for_the_same_companies(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            write_sample([sample_company(apple(), Details())], tmp_path / name)

        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    @pytest.mark.parametrize(
        "changes",
        [
            {"periods": []},
            {"periods": [["2024-01-01", "2023-09-30"], [None, "2022-09-24"], [None, "2023-09-30"]]},
            {"facts": [["us-gaap:Assets", "USD", [0], [7], [1]]]},
            {"facts": [["us-gaap:Assets", "USD", [0], [0, 0], [1]]]},
            {"facts": [["us-gaap:Assets", "USD", [0], [0], [int("9" * 300)]]]},
            {"filings": [["1-2-3", "10-K", "2023-11-03", None]]},
            {"cik": "apple"},
        ],
    )
    def test_skips_a_line_that_is_not_sound(self, tmp_path: Path, changes: dict[str, object]) -> None:
        write_sample([sample_company(apple(), Details())], tmp_path / "a.jsonl.gz")
        line = gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes())
        broken = json.dumps(json.loads(line) | changes).encode()
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(broken + b"\n" + line))

        items = list(read_sample([tmp_path]))

        assert skipped_in(items)[0].place.endswith("line 1")
        assert len(filings_in(items)) == 1

    def test_reports_a_truncated_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl.gz").write_bytes(SAMPLE.read_bytes()[:50_000])

        skipped = skipped_in(read_sample([tmp_path, tmp_path / "missing.jsonl.gz"]))

        assert len(skipped) == 2


class TestCollectFilings:
    def test_keeps_chosen_concepts_and_the_filings_of_all_vintages(self) -> None:
        folder = real_data("companyfacts")
        vintages = [folder / f"CIK0000320193.asof{day}.json.gz" for day in ("2026-01-30", "2026-05-01")]

        companies = collect_filings(read_companyfacts(vintages), concepts=frozenset({"us-gaap:Assets"}))

        assert {concept for filing in companies[320193].filings.values() for concept, _, _ in filing.facts} == {
            "us-gaap:Assets"
        }
        assert max(filing.filed_on for filing in companies[320193].filings.values()) == date(2026, 5, 1)


class TestBundledSample:
    def test_is_small_and_rich(self) -> None:
        items = list(read_sample([SAMPLE]))

        registered = [command for command in commands_in(items) if isinstance(command, RegisterCompany)]
        filings = [command for command in commands_in(items) if isinstance(command, ReportFiling)]
        assert not skipped_in(items)
        assert SAMPLE.stat().st_size < 5 * 2**20
        assert len(registered) >= 40
        assert len({command.sic[:2] for command in registered if command.sic}) >= 6
        assert len([command for command in registered if command.country and command.size_class]) >= 80
        assert len({command.size_class for command in registered if command.size_class}) == 4
        with_ten_years = {
            command.cik
            for command in registered
            if len({filing.filed_on.year for filing in filings if filing.cik == command.cik}) >= 10
        }
        assert len(with_ten_years) >= 40

    def test_has_apples_revenue_with_its_accession(self) -> None:
        items = [item for item in read_sample([SAMPLE]) if isinstance(item, Proposal) and item.command.cik == 320193]

        filing = filings_in(items)["0000320193-23-000106"]

        revenue = "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax"
        assert value_of(filing, revenue, start="2022-09-25", end="2023-09-30") == "383285000000"
        assert filing.accepted_at is not None
