"""`manage.py unpark`: tries again what could not be folded."""

import sys
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis import Redis

from projections.catalog import PROJECTIONS
from projections.parking import unpark
from projections.sweeper import refresh_figures


class Command(BaseCommand):
    help = (
        "Folds the parked events of streams, each stream in its order, and brings aggregates and Redis up to date. A "
        "stream that fails again stays parked with its newest error, and the exit code is 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("streams", nargs="*", metavar="STREAM", help="for example company-320193")
        parser.add_argument("--all", action="store_true", help="every parked stream")

    def handle(self, *args: Any, **options: Any) -> None:
        streams: list[str] = options["streams"]
        if bool(streams) is options["all"]:
            raise CommandError("Name the streams (`manage.py parked` lists them), or say --all; not both.")
        factfold = settings.FACTFOLD
        failed = 0
        with (
            psycopg.connect(factfold.database_url, autocommit=True) as connection,
            Redis.from_url(factfold.redis_url) as redis,
        ):
            for name in PROJECTIONS:
                found = unpark(connection, projection=name, streams=None if options["all"] else streams)
                for stream in found:
                    failed += stream.error is not None
                    left = f", parked again: {stream.error}" if stream.error else ""
                    self.stdout.write(f"{stream.stream}  {name}: {stream.folded:,} events folded{left}")
                for missing in sorted(set(streams) - {stream.stream for stream in found}):
                    self.stdout.write(f"{missing}  {name}: is not parked")
            refresh_figures(connection, redis)
        if failed:
            sys.exit(1)
