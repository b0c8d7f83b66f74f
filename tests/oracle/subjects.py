"""The companies at hand, each as commands for the house and as copies for the oracle."""

import gzip
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec

from commands.companies.register_company import RegisterCompany
from commands.filings.report_filing import ReportFiling
from commands.filings.withdraw_filing import WithdrawFiling
from commands.sources.companyfacts import read_companyfacts
from commands.sources.reading import Item, Proposal
from commands.sources.sample import parse_sample_line
from tests.oracle.copies import Copy, copies_of_companyfacts, copies_of_filings

SAMPLE = Path(__file__).parent.parent.parent / "sample" / "companies.jsonl.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One company to be compared."""

    company: RegisterCompany
    filings: tuple[ReportFiling, ...]
    copies: tuple[Copy, ...]
    withdrawals: tuple[WithdrawFiling, ...] = ()

    def with_some_withdrawn(self, *, seed: int) -> "Subject":
        """The same, but that some filings are withdrawn some months after they became known."""
        chance = random.Random(seed)
        known_at = {copy.accession: copy.known_at for copy in self.copies}
        withdrawn_at = {
            accession: known_at[accession] + timedelta(days=chance.randrange(20, 400))
            for accession in chance.sample(sorted(known_at), len(known_at) // 4)
        }
        return replace(
            self,
            copies=tuple(replace(copy, withdrawn_at=withdrawn_at.get(copy.accession)) for copy in self.copies),
            withdrawals=tuple(
                WithdrawFiling(cik=self.company.cik, accession=accession, reason="filed in error", withdrawn_at=instant)
                for accession, instant in withdrawn_at.items()
            ),
        )


def subjects(paths: Iterable[Path]) -> Iterator[Subject]:
    """
    This will give the companies of companyfacts files, folders of them, and sample files.

    Companyfacts say neither industry nor acceptance; where the sample has them, they are taken from there.
    """
    for path in paths:
        if path.is_dir():
            yield from subjects(sorted(path.glob("*.json*")))
        elif path.name.endswith(".jsonl.gz"):
            yield from sample_subjects(path)
        else:
            yield companyfacts_subject(path)


def sample_subjects(path: Path = SAMPLE, *, ciks: frozenset[int] | None = None) -> Iterator[Subject]:
    """This will give the companies of a sample file, or those of some CIKs."""
    with gzip.open(path, "rb") as lines:
        for line in lines:
            if ciks is not None and int(line.partition(b'"cik":')[2].partition(b",")[0]) not in ciks:
                continue
            company, filings = _commands(parse_sample_line(line, place=path.name))
            yield Subject(company=company, filings=filings, copies=tuple(copies_of_filings(filings)))


def companyfacts_subject(path: Path) -> Subject:
    """This will give the company of one companyfacts file."""
    company, filings = _commands(read_companyfacts([path]))
    sic, accepted = _known_from_sample().get(company.cik, (None, {}))
    return Subject(
        company=msgspec.structs.replace(company, sic=sic),
        filings=tuple(
            msgspec.structs.replace(filing, accepted_at=accepted.get(filing.accession)) for filing in filings
        ),
        copies=tuple(copies_of_companyfacts(path, accepted=accepted)),
    )


def _commands(items: Iterable[Item]) -> tuple[RegisterCompany, tuple[ReportFiling, ...]]:
    commands = [item.command for item in items if isinstance(item, Proposal)]
    (company,) = (command for command in commands if isinstance(command, RegisterCompany))
    return company, tuple(command for command in commands if isinstance(command, ReportFiling))


@cache
def _known_from_sample() -> dict[int, tuple[str | None, dict[str, datetime]]]:
    return {
        subject.company.cik: (
            subject.company.sic,
            {filing.accession: filing.accepted_at for filing in subject.filings if filing.accepted_at is not None},
        )
        for subject in sample_subjects()
    }
