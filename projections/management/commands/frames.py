"""`manage.py frames`: our calendar labels beside those of the SEC."""

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from commands.sources.documents import DocumentReader, find_documents
from commands.sources.reading import Skipped
from projections.frames import FrameAgreement, compare_company

_MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Compares our calendar label of every fact with the `frame` label in companyfacts files, and the copy that "
        "stands for a label with the one that holds it there. Every difference is counted under the rule that explains "
        "it. Exit code 0: all are explained; 1: some are not, or a file could not be read; 2: no file could be used."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="companyfacts files, folders, archives")

    def handle(self, *args: Any, **options: Any) -> None:
        agreement = FrameAgreement()
        skipped = 0
        with DocumentReader() as reader:
            for address in find_documents(options["paths"]):
                document = address if isinstance(address, Skipped) else reader.read(address)
                try:
                    if isinstance(document, Skipped):
                        raise ValueError(document.reason)
                    compare_company(document.content, agreement)
                except ValueError as error:
                    skipped += 1
                    self.stderr.write(f"skipped {document.place}: {error}")
        self.stdout.write("\n".join(_report(agreement)))
        if not agreement.companies:
            sys.exit(2)
        if agreement.unexplained or skipped:
            sys.exit(1)


def _report(agreement: FrameAgreement) -> list[str]:
    return [
        f"{agreement.companies:,} files, {agreement.facts:,} facts, {agreement.labelled:,} of them with a frame label",
        "",
        f"the label    {_share(agreement.labels_agreeing, agreement.labels)} of the labelled facts that are a year, a "
        "quarter or an instant to us",
        *_counted(agreement.label_differences),
        "",
        f"the winner   {_share(agreement.winners_agreeing, agreement.winners)} of the labels that a copy of a periodic "
        "report holds, for each concept and unit",
        *_counted(agreement.winner_differences),
        "  not compared:",
        *_counted(agreement.not_compared),
        *(f"unexplained  {text}" for text in agreement.unexplained[:_MOST_SHOWN]),
    ]


def _share(agreeing: int, all_of_them: int) -> str:
    return f"{agreeing:,} of {all_of_them:,} agree ({agreeing / max(all_of_them, 1):.3%})"


def _counted(differences: Counter[str]) -> list[str]:
    return [f"  {count:>9,}  {rule}" for rule, count in sorted(differences.items(), key=lambda entry: -entry[1])]
