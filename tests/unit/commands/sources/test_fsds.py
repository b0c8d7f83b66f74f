"""Financial Statement Data Sets in both of their layouts."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.register_company import RegisterCompany
from commands.sources import fsds
from commands.sources.fsds import read_fsds
from commands.sources.reading import Proposal
from tests.fixtures.proposals import commands_in, filings_in, skipped_in, value_of
from tests.fixtures.real_data import real_data
from tests.fixtures.zip_archives import with_headers

ACCESSION = "0001193125-10-088957"
SUB = (
    "adsh\tcik\tname\tsic\tcountryba\tcountryinc\tafs\tform\tfiled\taccepted\tnciks\taciks",
    f"{ACCESSION}\t320193\tAPPLE INC\t3571\tUS\tUS\t1-LAF\t10-Q\t20100421\t2010-04-21 16:39:00.0\t2\t9466",
)
DAILY_SUB = (
    "adsh\tcik\tname\tsic\tfye\tform\tperiod\tfiled\taccepted\tfy\tfp",
    "0001003078-25-000075\t1003078\tMSC INDUSTRIAL DIRECT CO INC\t\t0831\t10-Q\t20250531\t20250701\t\t2025\tQ3",
)
OLD_NUM = "adsh\ttag\tversion\tcoreg\tddate\tqtrs\tuom\tvalue\tfootnote"
NEW_NUM = "adsh\ttag\tversion\tddate\tqtrs\tuom\tsegments\tcoreg\tvalue\tfootnote"
DAILY_NUM = "adsh\ttag\tversion\tddate\tqtrs\tcoreg\tuom\tvalue\tsegments\tfootnote"


def data_set(path: Path, *, sub: tuple[str, ...] = SUB, num: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path / "2010q2.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sub.txt", "\n".join(sub) + "\n")
        archive.writestr("num.txt", "\n".join(num) + "\n")
    return path / "2010q2.zip"


class TestReadFsds:
    def test_reads_the_layout_without_segments(self, tmp_path: Path) -> None:
        path = data_set(
            tmp_path,
            num=(
                OLD_NUM,
                f"{ACCESSION}\tSalesRevenueNet\tus-gaap/2009\t\t20100331\t2\tUSD\t29182000000.0000\t",
                f"{ACCESSION}\tSalesRevenueNet\tus-gaap/2009\tSubsidiary\t20100331\t2\tUSD\t1.0000\t",
                f"{ACCESSION}\tAssets\tus-gaap/2009\t\t20100331\t0\tUSD\t57057000000.0000\t",
            ),
        )

        (filing,) = filings_in(read_fsds([path])).values()

        assert filing.facts == (
            ("us-gaap:Assets", "USD", ((None, "2010-03-31", "57057000000"),)),
            ("us-gaap:SalesRevenueNet", "USD", (("2009-10-01", "2010-03-31", "29182000000"),)),
        )
        assert (filing.cik, filing.form, filing.source, filing.mode) == (320193, "10-Q", "fsds", "merge")
        assert filing.accepted_at == datetime(2010, 4, 21, 20, 39, tzinfo=UTC)

    def test_takes_only_consolidated_values_of_standard_concepts_from_the_layout_with_segments(
        self, tmp_path: Path
    ) -> None:
        path = data_set(
            tmp_path,
            num=(
                NEW_NUM,
                f"{ACCESSION}\tAssets\tus-gaap/2009\t20100331\t0\tUSD\t\t\t57057000000.0000\t",
                f"{ACCESSION}\tAssets\tus-gaap/2009\t20090930\t0\tUSD\tEquityComponents=CommonStock;\t\t1.0000\t",
                f"{ACCESSION}\tAssets\tus-gaap/2009\t20081231\t0\tUSD\t\tSubsidiary\t2.0000\t",
                f"{ACCESSION}\tOwnConcept\t{ACCESSION}\t20100331\t0\tUSD\t\t\t3.0000\t",
                f"{ACCESSION}\tLiabilities\tus-gaap/2009\t20100331\t0\tUSD\t\t\t\tnot disclosed",
                f"{ACCESSION}\tEntityPublicFloat\tdei/2009\t20100331\t0\tUSD\t\t\t4.5000\t",
            ),
        )

        (filing,) = filings_in(read_fsds([path])).values()

        assert [(concept, values) for concept, _, values in filing.facts] == [
            ("dei:EntityPublicFloat", ((None, "2010-03-31", "4.5"),)),
            ("us-gaap:Assets", ((None, "2010-03-31", "57057000000"),)),
        ]

    def test_reads_the_daily_layout_with_fewer_columns_in_another_order(self, tmp_path: Path) -> None:
        accession = "0001003078-25-000075"
        path = data_set(
            tmp_path,
            sub=DAILY_SUB,
            num=(
                DAILY_NUM,
                f"{accession}\tCommonStockSharesIssued\tus-gaap/2025\t20240831\t0\t\tshares\t57178642.0\t\t",
            ),
        )

        items = list(read_fsds([path]))

        filing = filings_in(items)[accession]
        assert value_of(filing, "us-gaap:CommonStockSharesIssued", end="2024-08-31", unit="shares") == "57178642"
        assert filing.accepted_at is None
        assert commands_in(items)[0] == RegisterCompany(cik=1003078, name="MSC INDUSTRIAL DIRECT CO INC")

    def test_registers_companies_and_says_what_they_are_where_nobody_knows(self, tmp_path: Path) -> None:
        path = data_set(
            tmp_path, num=(NEW_NUM, f"{ACCESSION}\tAssets\tus-gaap/2009\t20100331\t0\tUSD\t\t\t57057000000.0000\t")
        )

        proposals = [item for item in read_fsds([path]) if isinstance(item, Proposal)]

        told: dict[str, Any] = {"sic": "3571", "country": "US", "size_class": "large_accelerated"}
        assert [(proposal.command, proposal.condition) for proposal in proposals[:2]] == [
            (RegisterCompany(cik=320193, name="APPLE INC", **told), "unregistered"),
            (ReclassifyCompany(cik=320193, **told), "unclassified"),
        ]

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("Assets\tus-gaap/2009\t20100231\t0\tUSD\t\t\t1.0\t", "'20100231' does not exist"),
            ("Assets\tus-gaap/2009\t20100331\tx\tUSD\t\t\t1.0\t", "qtrs 'x'"),
            ("Assets\tus-gaap/2009\t20100331\t0\tUSD\t\t\tNaN\t", "no finite decimal"),
            (f"Assets\tus-gaap/2009\t20100331\t0\tUSD\t\t\t{'9' * 300}\t", "300 significant digits"),
            ("Assets\tus-gaap/2009\t20100331\t0", "num.txt line 3 has 5 columns where the header has 10"),
            ("Revenues\tus-gaap/2009\t20100331\t1\tUSD\t\t\t2.0\t", "two values for one period, 1 and 2"),
        ],
    )
    def test_skips_only_the_filing_with_a_bad_row(self, tmp_path: Path, row: str, reason: str) -> None:
        other = "0001157523-10-002965"
        path = data_set(
            tmp_path,
            sub=(
                *SUB,
                f"{other}\t37996\tFORD MOTOR CO\t3711\tUS\tUS\t1-LAF\t10-Q\t20100507\t2010-05-07 13:14:00.0\t1\t",
            ),
            num=(
                NEW_NUM,
                f"{ACCESSION}\tRevenues\tus-gaap/2008\t20100331\t1\tUSD\t\t\t1.0000\t",
                f"{ACCESSION}\t{row}",
                f"{other}\tAssets\tus-gaap/2009\t20100331\t0\tUSD\t\t\t57057000000.0000\t",
            ),
        )

        items = list(read_fsds([path]))

        assert list(filings_in(items)) == [other]
        (skipped,) = skipped_in(items)
        assert skipped.place == f"{path}: {ACCESSION}"
        assert reason in skipped.reason

    def test_says_which_submission_is_missing_or_broken(self, tmp_path: Path) -> None:
        path = data_set(
            tmp_path,
            sub=(SUB[0], f"{ACCESSION}\tApple", SUB[1].replace(ACCESSION, "1-2-3")),
            num=(NEW_NUM, f"{ACCESSION}\tAssets\tus-gaap/2009\t20100331\t0\tUSD\t\t\t1.0000\t"),
        )

        reasons = [skipped.reason for skipped in skipped_in(read_fsds([path]))]

        assert reasons == [
            "it has 2 columns where the header has 12",
            "accession '1-2-3' is not ten digits, two digits, six digits, joined by hyphens",
            "num.txt has values of it, but sub.txt has no such submission",
        ]

    def test_proposes_nothing_of_a_truncated_or_foreign_archive(self, tmp_path: Path) -> None:
        rows = (f"{ACCESSION}\tAssets\tus-gaap/2009\t20100331\t{n}\tUSD\t\t\t{n}.0000\t" for n in range(2000))
        packed = data_set(tmp_path, num=(NEW_NUM, *rows)).read_bytes()
        (tmp_path / "2010q2.zip").write_bytes(packed[: len(packed) // 2])
        with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
            archive.writestr("data.txt", "")
        with zipfile.ZipFile(tmp_path / "headless.zip", "w") as archive:
            archive.writestr("sub.txt", "a\tb\n")
            archive.writestr("num.txt", "")
        middle = len(packed) // 2
        (tmp_path / "damaged.zip").write_bytes(packed[:middle] + b"\0" * 9 + packed[middle + 9 :])

        items = list(read_fsds([tmp_path, tmp_path / "missing.zip"]))

        assert not commands_in(items)
        reasons = {Path(skipped.place).name: skipped.reason for skipped in skipped_in(items)}
        assert "truncated or damaged" in reasons["2010q2.zip"]
        assert "truncated or damaged" in reasons["damaged.zip"]
        assert "holds no sub.txt" in reasons["foreign.zip"]
        assert "sub.txt has no column adsh" in reasons["headless.zip"]
        assert "no such file" in reasons["missing.zip"]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"method": 9}, "compression method"),
            ({"flags": 1}, "encrypted"),
            ({"version": 99}, "zip file version"),
        ],
    )
    def test_goes_on_after_an_archive_it_cannot_unpack(
        self, tmp_path: Path, changes: dict[str, int], reason: str
    ) -> None:
        sound = data_set(tmp_path, num=(NEW_NUM, f"{ACCESSION}\tAssets\tus-gaap/2009\t20100331\t0\tUSD\t\t\t1.0\t"))
        (tmp_path / "2010q1.zip").write_bytes(with_headers(sound.read_bytes(), **changes))

        items = list(read_fsds([tmp_path]))

        assert list(filings_in(items)) == [ACCESSION]
        (skipped,) = skipped_in(items)
        assert skipped.place == str(tmp_path / "2010q1.zip")
        assert reason in skipped.reason

    def test_gathers_a_table_larger_than_its_parts_completely(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fsds, "_BYTES_PER_PART", 2000)
        monkeypatch.setattr(fsds, "_BYTES_IN_MEMORY", 1000)
        accessions = [f"{n:010}-10-{n:06}" for n in range(1, 60)]
        sub = (SUB[0], *(SUB[1].replace(ACCESSION, accession) for accession in accessions))
        rows = (
            f"{accession}\tAssets\tus-gaap/2009\t{year}1231\t0\tUSD\t\t\t{year}.0000\t"
            for year in (2008, 2009)
            for accession in accessions
        )

        filings = filings_in(read_fsds([data_set(tmp_path, sub=sub, num=(NEW_NUM, *rows))]))

        assert sorted(filings) == accessions
        assert {filing.facts for filing in filings.values()} == {
            (("us-gaap:Assets", "USD", ((None, "2008-12-31", "2008"), (None, "2009-12-31", "2009"))),)
        }


class TestRealDataSets:
    @pytest.mark.parametrize(
        ("name", "filings", "facts"),
        [("2009q3", 427, 95_747), ("2010q2", 515, 97_650), ("daily-20250701", 6, 1_313)],
    )
    def test_gives_every_consolidated_value(self, name: str, filings: int, facts: int) -> None:
        items = list(read_fsds([real_data(f"fsds/{name}.zip")]))

        found = filings_in(items).values()
        assert not skipped_in(items)
        assert len(found) == filings
        assert sum(len(values) for filing in found for _, _, values in filing.facts) == facts
