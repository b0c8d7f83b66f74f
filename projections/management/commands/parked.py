"""`manage.py parked`: which streams a projection has set aside, and why."""

from argparse import ArgumentParser
from typing import Any

import msgspec
import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand

from projections.parking import ParkedStream, parked_streams


class Command(BaseCommand):
    help = "Lists the streams that wait because an event of theirs could not be folded. `unpark` tries them again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON array instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection:
            streams = parked_streams(connection)
        if options["json"]:
            self.stdout.write(msgspec.json.encode(streams).decode())
        elif not streams:
            self.stdout.write("nothing is parked")
        for stream in [] if options["json"] else streams:
            self.stdout.write(_told(stream))


def _told(stream: ParkedStream) -> str:
    return (
        f"{stream.stream}  {stream.name} v{stream.version}, from position {stream.position:,}, "
        f"{stream.events:,} events, tried {stream.attempts} times, last {stream.parked_at:%Y-%m-%d %H:%M:%S %Z}\n"
        f"    {stream.error}"
    )
