"""The part of docs/figures.md that says what each metric is made of."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from queries.metrics.catalogue import load_catalogue
from queries.metrics.document import PageHasNoPlace, with_metrics


class Command(BaseCommand):
    """This will write the catalogue's metrics into the page, or say whether they stand there already."""

    help = "Write the list of metrics in docs/figures.md from the catalogue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
        parser.add_argument(
            "--file", type=Path, default=Path(settings.BASE_DIR, "docs", "figures.md"), help="another page"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        page: Path = options["file"]
        text = page.read_text(encoding="utf-8")
        try:
            fresh = with_metrics(text, load_catalogue())
        except PageHasNoPlace as error:
            raise CommandError(f"{page.name}: {error}") from error
        if fresh == text:
            return
        if options["check"]:
            raise CommandError(
                f"{page.name} does not list the metrics as the catalogue has them; write it with\n"
                "    python3 manage.py figures_doc"
            )
        page.write_text(fresh, encoding="utf-8")
