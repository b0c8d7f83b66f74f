"""`manage.py make_sample`: derives the bundled sample from the SEC's files."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from commands.sources.classifications import read_classifications
from commands.sources.companyfacts import read_companyfacts
from commands.sources.fsds import read_fsds
from commands.sources.sample import (
    SUFFIX,
    CompanyFilings,
    Details,
    SampleCompany,
    collect_details,
    collect_filings,
    sample_company,
    write_sample,
)
from commands.sources.submissions import read_submissions
from projections.financials.classification import SECTORS, sector_of
from queries.metrics.catalogue import load_catalogue


def catalogue_concepts() -> frozenset[str]:
    """This will name every concept from which some metric is made."""
    return frozenset(concept for metric in load_catalogue().metrics for concept in metric.concepts)


def missing_sectors(
    companies: Mapping[int, CompanyFilings],
    candidates: Mapping[int, CompanyFilings],
    *,
    sics: Mapping[int, str | None],
    each: int,
) -> list[int]:
    """This will choose, for every sector without a company, the candidates with the most facts."""
    present = {sector_of(sics[cik]) for cik in companies}
    chosen: list[int] = []
    for sector in SECTORS:
        if sector not in present:
            of_sector = [cik for cik in candidates if sector_of(sics[cik]) == sector]
            chosen += sorted(of_sector, key=lambda cik: (-candidates[cik].fact_count, cik))[:each]
    return chosen


class Command(BaseCommand):
    requires_system_checks = ()
    help = "Derive a sample file from companyfacts files: real figures with their accessions, in one small file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help=f"file to write; its name ends in {SUFFIX}")
        parser.add_argument(
            "--companyfacts",
            type=Path,
            nargs="+",
            required=True,
            metavar="PATH",
            help="companyfacts files or folders; a company found in an earlier path is not taken from a later one",
        )
        parser.add_argument(
            "--submissions",
            type=Path,
            nargs="*",
            default=[],
            metavar="PATH",
            help="names, SIC codes, countries, size classes, tickers, acceptance times",
        )
        parser.add_argument(
            "--classifications",
            type=Path,
            nargs="*",
            default=[],
            metavar="PATH",
            help="tables of SIC codes and tickers, for companies without submissions file",
        )
        parser.add_argument(
            "--fsds",
            type=Path,
            nargs="*",
            default=[],
            metavar="PATH",
            help="data sets from which sectors without any company are filled",
        )
        parser.add_argument(
            "--fsds-each", type=int, default=5, metavar="N", help="companies for each such sector (default 5)"
        )

    def handle(self, *args: object, **options: Any) -> None:
        concepts = catalogue_concepts()
        details = collect_details(read_classifications(options["classifications"]))
        for cik, of_company in collect_details(read_submissions(options["submissions"])).items():
            known = details.get(cik, Details())
            of_company.sic = of_company.sic or known.sic
            of_company.country = of_company.country or known.country
            of_company.size_class = of_company.size_class or known.size_class
            details[cik] = of_company
        companies: dict[int, CompanyFilings] = {}
        for path in options["companyfacts"]:
            companies = collect_filings(read_companyfacts([path]), concepts=concepts) | companies
        candidates = collect_filings(read_fsds(options["fsds"]), concepts=concepts)
        sics = {
            cik: details.get(cik, Details()).sic or company.registered.sic
            for cik, company in (candidates | companies).items()
        }
        chosen = missing_sectors(companies, candidates, sics=sics, each=options["fsds_each"])
        lines = [sample_company(companies[cik], details.get(cik, Details())) for cik in sorted(companies)]
        lines += [sample_company(candidates[cik], details.get(cik, Details()), source="fsds") for cik in sorted(chosen)]
        write_sample(lines, options["out"])
        self._report(options["out"], lines)

    def _report(self, out: Path, lines: Sequence[SampleCompany]) -> None:
        filings = sum(len(line.filings) for line in lines)
        facts = sum(len(row.values) for line in lines for row in line.facts)
        sectors = sorted({sector_of(line.sic) or "no SIC code" for line in lines})
        self.stdout.write(
            f"{out}: {len(lines)} companies, {filings} filings, {facts} facts, {out.stat().st_size} bytes; "
            f"sectors: {', '.join(sectors)}"
        )
