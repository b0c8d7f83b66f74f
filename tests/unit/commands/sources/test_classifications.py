"""Tables of SIC codes and tickers."""

import csv
import gzip
import json
from pathlib import Path

from commands.companies.change_tickers import ChangeTickers
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.rename_company import RenameCompany
from commands.sources.classifications import read_classifications
from commands.sources.reading import Proposal
from tests.fixtures.proposals import commands_in, skipped_in
from tests.fixtures.real_data import real_data


class TestReadClassifications:
    def test_proposes_what_companies_are_where_nobody_knows(self, tmp_path: Path) -> None:
        table = tmp_path / "cik_sic.csv.gz"
        rows = b'1750,"AAR, CORP",3720,US,1-LAF\n1800,X,100,Germany,nan\n1850,Z,nan,,2-ACC\n1900,Y,nan,,\n'
        table.write_bytes(gzip.compress(b"cik,name,sic,country,filer_status\n" + rows))

        proposals = [item for item in read_classifications([table]) if isinstance(item, Proposal)]

        assert [(proposal.command, proposal.condition) for proposal in proposals] == [
            (ReclassifyCompany(cik=1750, sic="3720", country="US", size_class="large_accelerated"), "unclassified"),
            (ReclassifyCompany(cik=1800, sic="0100", country=None, size_class=None), "unclassified"),
            (ReclassifyCompany(cik=1850, sic=None, country=None, size_class="accelerated"), "unclassified"),
        ]

    def test_gathers_the_tickers_of_a_company(self, tmp_path: Path) -> None:
        rows = [("GOOGL", 1652044), ("AAPL", 320193), ("GOOG", 1652044)]
        table = {str(n): {"cik_str": cik, "ticker": ticker, "title": f"{cik}"} for n, (ticker, cik) in enumerate(rows)}
        (tmp_path / "company_tickers.json").write_text(json.dumps(table))

        commands = commands_in(read_classifications([tmp_path]))

        assert commands == [
            ChangeTickers(cik=1652044, tickers=("GOOGL", "GOOG")),
            RenameCompany(cik=1652044, name="1652044"),
            ChangeTickers(cik=320193, tickers=("AAPL",)),
            RenameCompany(cik=320193, name="320193"),
        ]

    def test_reports_what_it_cannot_use(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("cik,sic\nx,1\n1,manufacturing\n")
        (tmp_path / "b.csv").write_text("company,industry\n")
        (tmp_path / "c.json").write_text('{"0": {"symbol": "A"}}')
        (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"cik,sic\n1,1\n")[:-9])
        (tmp_path / "e.csv").write_text(f"cik,sic\n1,{'1' * csv.field_size_limit()}0\n")
        (tmp_path / "f.json").write_text("5")
        (tmp_path / "g.json").write_text("null")
        (tmp_path / "h.json").write_text("[" * 100_000)
        (tmp_path / "i.csv").write_text("cik,sic\n1,3571\n")

        items = list(read_classifications([tmp_path, tmp_path / "missing.csv"]))

        assert [Path(item.place).name.partition(":")[0] for item in skipped_in(items)] == [
            "a.csv",
            "a.csv",
            "b.csv",
            "c.json",
            "d.csv.gz",
            "e.csv",
            "f.json",
            "g.json",
            "h.json",
            "missing.csv",
        ]
        assert commands_in(items) == [ReclassifyCompany(cik=1, sic="3571", country=None, size_class=None)]

    def test_reads_the_real_tables(self) -> None:
        items = list(read_classifications([real_data("tickers/cik_sic.csv.gz")]))

        assert not skipped_in(items)
        assert len(commands_in(items)) > 6000
