"""`manage.py rebuild`: writes a projection anew from the log, beside the live one, and puts it in its place."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis import Redis

from projections.catalog import PROJECTIONS
from projections.parking import EventUnfoldable
from projections.processes import ProcessEnded
from projections.projector import MAX_EVENTS
from projections.rebuild import Rebuild, RebuildRefused, Rebuilt
from projections.shard_building import ShardIncomplete
from projections.sweeper import refresh_figures, utc_now

INTERRUPTED = 130


class Command(BaseCommand):
    help = (
        "Writes the next version of a projection from the log while readers see the live one, compares the two, and "
        "switches readers over at once. What was live before is kept. Ctrl-C stops it; the same command goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("projection", choices=sorted(PROJECTIONS))
        parser.add_argument("--workers", type=int, help="processes that fold (default: one a core)")
        parser.add_argument("--batch-events", type=int, default=MAX_EVENTS, help="events in a transaction, at most")
        parser.add_argument("--park", action="store_true", help="set aside what cannot be folded instead of stopping")
        parser.add_argument(
            "--accept-differences", action="store_true", help="switch though the tables differ from the live ones"
        )
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--rollback", action="store_true", help="make the version that was live before live again")
        instead.add_argument("--drop-retired", action="store_true", help="drop the versions that were replaced")
        instead.add_argument("--abandon", action="store_true", help="drop the version that is being built")

    def handle(self, *args: Any, **options: Any) -> None:
        factfold = settings.FACTFOLD
        for name in ("workers", "batch_events"):
            if options[name] is not None and options[name] < 1:
                raise CommandError(f"--{name.replace('_', '-')} is {options[name]}; use 1 or more")
        rebuild = Rebuild(
            factfold.database_url,
            projection=options["projection"],
            clock=utc_now,
            tell=self._tell,
            processes=options["workers"] or os.cpu_count() or 1,
            park=options["park"],
            batch_events=options["batch_events"],
        )
        try:
            if options["drop_retired"]:
                self._dropped(rebuild.drop_retired())
            elif options["abandon"]:
                self._dropped(rebuild.abandon())
            elif options["rollback"]:
                self._switched(rebuild.roll_back())
            else:
                self._switched(rebuild.run(accept_differences=options["accept_differences"]))
        except (EventUnfoldable, RebuildRefused, ProcessEnded, ShardIncomplete) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self.stderr.write("stopped; the same command goes on from here, --abandon drops what was built")
            sys.exit(INTERRUPTED)

    def _switched(self, rebuilt: Rebuilt) -> None:
        factfold = settings.FACTFOLD
        with (
            psycopg.connect(factfold.database_url, autocommit=True) as connection,
            Redis.from_url(factfold.redis_url, socket_connect_timeout=2, socket_timeout=5) as redis,
        ):
            refresh_figures(connection, redis)
        for difference in rebuilt.differences:
            self.stdout.write(f"accepted  {difference}")
        self.stdout.write(f"version {rebuilt.version} is live; version {rebuilt.replaced} is kept for --rollback")

    def _dropped(self, numbers: list[int]) -> None:
        self.stdout.write(f"dropped {', '.join(f'version {number}' for number in numbers) or 'nothing'}")

    def _tell(self, text: str) -> None:
        self.stderr.write(text)
