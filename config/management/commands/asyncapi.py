"""`manage.py asyncapi`: the document of events and doorbells."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from commands.asyncapi import document

PUBLISHED = Path("docs", "asyncapi.json")


class Command(BaseCommand):
    requires_system_checks = ()
    help = f"Writes the AsyncAPI document of events and doorbells to {PUBLISHED}."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--file", type=Path, default=PUBLISHED, help=f"where to write it (default {PUBLISHED})")
        parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        text = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
        if not options["check"]:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            self.stderr.write(f"{file} is not what the code says; write it with\n    python3 manage.py asyncapi")
            sys.exit(1)
