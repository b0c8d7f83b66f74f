"""Companyfacts files: real ones, odd ones, broken ones."""

import gzip
import json
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest

from commands.companies.register_company import RegisterCompany
from commands.sources.companyfacts import parse_companyfacts, read_companyfacts
from commands.sources.documents import Document
from commands.sources.reading import FileRead, Item
from tests.fixtures.companyfacts_files import company_document, fact, write_bulky_archive
from tests.fixtures.proposals import commands_in, filings_in, skipped_in, value_of
from tests.fixtures.real_data import ROOT, real_data
from tests.fixtures.zip_archives import with_headers

OTHER = "0000320193-22-000108"


def parsed(content: bytes, *, name: str = "CIK0000320193.json") -> list[Item]:
    return list(parse_companyfacts(Document(place=name, name=name, content=content)))


class TestParseCompanyfacts:
    def test_groups_facts_by_accession_in_canonical_order(self) -> None:
        earlier = fact(accn=OTHER, filed="2022-10-28", start="2021-09-26", end="2022-09-24", val=394328000000)
        again = fact(start="2021-09-26", end="2022-09-24", val=394328000000)
        document = company_document(
            {"Revenues": {"USD": [fact(), earlier, again]}, "Assets": {"USD": [fact(start=None)]}}
        )

        filings = filings_in(parsed(document))

        assert list(filings) == [OTHER, "0000320193-23-000106"]
        newest = filings["0000320193-23-000106"]
        assert (newest.form, newest.filed_on, newest.mode) == ("10-K", date(2023, 11, 3), "merge")
        assert newest.facts == (
            ("us-gaap:Assets", "USD", ((None, "2023-09-30", "383285000000"),)),
            (
                "us-gaap:Revenues",
                "USD",
                (("2021-09-26", "2022-09-24", "394328000000"), ("2022-09-25", "2023-09-30", "383285000000")),
            ),
        )

    def test_registers_the_company_under_its_name_as_filed(self) -> None:
        document = company_document({"Assets": {"USD": [fact()]}}, cik="0000063908", name="McDONALD’S\u00a0CORPORATION")

        registered = commands_in(parsed(document, name="mcd.json"))[0]

        assert registered == RegisterCompany(cik=63908, name="McDONALD’S\u00a0CORPORATION")

    @pytest.mark.parametrize("written", ["0.1", "6.13", "1e-05", "12345678901234567.89"])
    def test_keeps_numbers_exactly(self, written: str) -> None:
        document = company_document({"EPS": {"USD/shares": [fact(val=1.5)]}}).replace(b"1.5", written.encode())

        (filing,) = filings_in(parsed(document)).values()

        value = value_of(filing, "us-gaap:EPS", unit="USD/shares", start="2022-09-25", end="2023-09-30")
        assert value == {"1e-05": "0.00001"}.get(written, written)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"end": "2022-01-01"}, "ends (2022-01-01) before it starts (2022-09-25)"),
            ({"end": "2023-02-30"}, "'2023-02-30' does not exist"),
            ({"val": int("9" * 300)}, "300 significant digits"),
            ({"val": float("nan")}, "NaN"),
            ({"val": float("inf")}, "Infinity"),
            ({"val": None}, "'null' is no finite decimal number"),
            ({"val": "12"}, "is no finite decimal number"),
            ({"filed": "2023-11-04"}, "another form or filing date"),
            ({"filed": "yesterday", "end": "2023-09-28"}, "not written YYYY-MM-DD"),
            ({"form": 10}, "form is missing or not a text"),
        ],
    )
    def test_skips_only_the_filing_with_a_bad_fact_and_names_its_place(
        self, changes: dict[str, object], reason: str
    ) -> None:
        bad = [fact(end="2023-09-29"), fact(**changes)]
        good = fact(accn=OTHER, filed="2022-10-28", end="2022-09-24", start="2021-09-26")
        document = company_document({"Revenues": {"USD": [*bad, good]}})

        items = parsed(document)

        assert list(filings_in(items)) == [OTHER]
        (skipped,) = skipped_in(items)
        assert skipped.place == "CIK0000320193.json: 0000320193-23-000106"
        assert reason in skipped.reason

    def test_skips_a_filing_whose_accession_is_malformed(self) -> None:
        document = company_document({"Revenues": {"USD": [fact(accn="320193-23-106"), fact()]}})

        items = parsed(document)

        assert list(filings_in(items)) == ["0000320193-23-000106"]
        assert "ten digits" in skipped_in(items)[0].reason

    def test_skips_a_filing_with_two_values_for_one_period(self) -> None:
        document = company_document({"Revenues": {"USD": [fact(), fact(val=1)]}})

        items = parsed(document)

        assert "two values for one period" in skipped_in(items)[0].reason
        assert not filings_in(items)

    def test_names_the_fact_in_which_a_key_stands_twice(self) -> None:
        document = company_document({"Revenues": {"USD": [fact(), fact(accn=OTHER, filed="2022-10-28")]}})
        doubled = document.replace(b'"val": 383285000000', b'"val": 1, "val": 383285000000', 1)

        items = parsed(doubled)

        assert list(filings_in(items)) == [OTHER]
        assert skipped_in(items)[0].reason == "us-gaap:Revenues in USD, fact 1: the key 'val' stands twice in one fact"

    def test_refuses_a_document_in_which_a_concept_stands_twice(self) -> None:
        document = company_document({"Revenues": {"USD": [fact()]}, "Sales": {"USD": [fact()]}})

        items = parsed(document.replace(b'"Sales": {', b'"Revenues": {'))

        assert not commands_in(items)
        assert "the key 'Revenues' stands twice in us-gaap" in skipped_in(items)[0].reason

    @pytest.mark.parametrize("key", [b'"val"', b'"accn"', b'"start"', b'"facts"'])
    def test_is_not_misled_by_keys_that_are_only_spoken_of(self, key: bytes) -> None:
        document = company_document({"Revenues": {"USD": [fact()]}})
        spoken_of = document.replace(b'"description": ""', b'"description": ' + json.dumps(key.decode()).encode(), 1)

        items = parsed(spoken_of.replace(b'"label": "Revenues"', b'"label": "accn"'))

        assert not skipped_in(items)
        assert list(filings_in(items)) == ["0000320193-23-000106"]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (company_document({"Revenues": {"USD": [fact()]}})[:-40], "ends too early"),
            (b"", "ends too early"),
            (b"{}", "facts is not a JSON object"),
            (b"[1, 2]", "the document is not a JSON object"),
            (b"\xff\xfe{", "not UTF-8"),
            (b"[" * 100_000, "nested too deeply"),
            (company_document({}, cik="Apple"), "cik 'Apple' is not a number"),
            (company_document({}, cik="3" * 5_000), "cik '33333333333333333333' is not a number"),
            (company_document({}, cik=1), "named after CIK 320193 but holds CIK 1"),
        ],
    )
    def test_says_why_a_document_cannot_be_used(self, content: bytes, reason: str) -> None:
        items = parsed(content)

        assert not commands_in(items)
        assert reason in skipped_in(items)[0].reason

    def test_takes_odd_but_real_facts_as_data(self) -> None:
        document = company_document(
            {
                "NumberOfRestaurants": {"Restaurant": [fact(start=None, val=31967)]},
                "PaymentsForRepurchase": {"USD": [fact(start="2030-01-01", end="2030-12-31")]},
                "Nothing": {"USD": []},
            }
        )

        items = parsed(document)

        assert not skipped_in(items)
        (filing,) = filings_in(items).values()
        assert [(concept, unit) for concept, unit, _ in filing.facts] == [
            ("us-gaap:NumberOfRestaurants", "Restaurant"),
            ("us-gaap:PaymentsForRepurchase", "USD"),
        ]


class TestReadCompanyfacts:
    def test_reads_files_folders_and_archives_alike(self, tmp_path: Path) -> None:
        document = company_document({"Revenues": {"USD": [fact()]}})
        (tmp_path / "deep").mkdir()
        (tmp_path / "README.md").write_text("not data")
        (tmp_path / "deep" / "CIK0000320193.json").write_bytes(document)
        (tmp_path / "CIK0000320193.json.gz").write_bytes(gzip.compress(document) + gzip.compress(b"\n"))
        with zipfile.ZipFile(tmp_path / "companyfacts.zip", "w") as archive:
            archive.writestr("CIK0000320193.json", document)

        items = list(read_companyfacts([tmp_path]))

        assert len([item for item in items if isinstance(item, FileRead)]) == 3
        assert not skipped_in(items)

    def test_reports_damaged_files_and_goes_on(self, tmp_path: Path) -> None:
        document = company_document({"Revenues": {"USD": [fact()]}})
        with zipfile.ZipFile(tmp_path / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("CIK0000320193.json", document)
            archive.writestr("CIK0000000001.json", company_document({}, cik=1))
        packed = (tmp_path / "whole.zip").read_bytes()
        (tmp_path / "truncated.zip").write_bytes(packed[: len(packed) // 2])
        (tmp_path / "damaged.zip").write_bytes(packed.replace(packed[60:70], b"\0" * 10))
        (tmp_path / "truncated.json.gz").write_bytes(gzip.compress(document)[:-20])
        (tmp_path / "no.json.gz").write_bytes(b"plain text")

        items = list(read_companyfacts([tmp_path, tmp_path / "missing.zip"]))

        assert sorted(Path(skipped.place).name for skipped in skipped_in(items)) == [
            "CIK0000320193.json",
            "missing.zip",
            "no.json.gz",
            "truncated.json.gz",
            "truncated.zip",
        ]
        assert len(filings_in(items)) == 1

    @pytest.mark.slow
    def test_keeps_memory_small_whatever_the_size_of_an_archive(self, tmp_path: Path) -> None:
        archive = tmp_path / "companyfacts.zip"
        write_bulky_archive(archive, companies=110, mebibytes_each=4, facts_of_largest=60_000)
        program = (
            "import sys; from pathlib import Path\n"
            "from commands.sources.companyfacts import read_companyfacts\n"
            "items = sum(1 for _ in read_companyfacts([Path(sys.argv[1])]))\n"
            # Not getrusage: its peak begins with that of the process that started this one.
            "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
            "print(items, peak.split()[1])"
        )

        done = subprocess.run(
            [sys.executable, "-c", program, str(archive)], check=True, capture_output=True, text=True, cwd=ROOT
        )

        items, peak_kib = map(int, done.stdout.split())
        assert items > 3 * 109
        assert peak_kib < 300 * 1024

    def test_goes_on_after_an_archive_of_an_unknown_version(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            archive.writestr("CIK0000320193.json", company_document({"Assets": {"USD": [fact()]}}))
        (tmp_path / "a.zip").write_bytes(with_headers((tmp_path / "b.zip").read_bytes(), version=99))

        items = list(read_companyfacts([tmp_path]))

        assert [skipped.place for skipped in skipped_in(items)] == [str(tmp_path / "a.zip")]
        assert len(filings_in(items)) == 1


class TestRealFiles:
    def test_apple_says_what_it_filed(self) -> None:
        path = real_data("companyfacts/CIK0000320193.asof2026-05-01.json.gz")

        items = list(read_companyfacts([path]))

        filings = filings_in(items)
        assert not skipped_in(items)
        assert (
            value_of(
                filings["0000320193-23-000106"],
                "us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax",
                start="2022-09-25",
                end="2023-09-30",
            )
            == "383285000000"
        )
        revenue = {
            filings[accession].form: value_of(
                filings[accession], "us-gaap:SalesRevenueNet", start="2008-09-28", end="2009-09-26"
            )
            for accession in ("0001193125-09-214859", "0001193125-10-012091")
        }
        assert revenue == {"10-K": "36537000000", "10-K/A": "42905000000"}

    def test_a_newer_vintage_has_the_same_filings_and_the_new_one(self) -> None:
        folder = real_data("companyfacts")

        older = filings_in(read_companyfacts([folder / "CIK0000320193.asof2026-01-30.json.gz"]))
        newer = filings_in(read_companyfacts([folder / "CIK0000320193.asof2026-05-01.json.gz"]))

        assert len(newer.keys() - older.keys()) == 1
        assert older == {accession: filing for accession, filing in newer.items() if accession in older}

    def test_every_file_at_hand_is_sound(self) -> None:
        assert skipped_in(read_companyfacts([real_data("companyfacts_trimmed")])) == []
