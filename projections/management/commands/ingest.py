"""`manage.py ingest`: from files to events."""

import signal
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from commands.admission import Backlog, Room
from commands.sources.classifications import read_classifications
from commands.sources.companyfacts import read_companyfacts
from commands.sources.fsds import read_fsds
from commands.sources.ingest import Tally, ingest
from commands.sources.reading import Reading, Skipped
from commands.sources.sample import read_sample
from commands.sources.submissions import read_submissions
from projections.memory import expect_many_plain_objects
from projections.vital_signs import read_backlog

SOURCES: dict[str, Callable[[Iterable[Path]], Reading]] = {
    "companyfacts": read_companyfacts,
    "fsds": read_fsds,
    "submissions": read_submissions,
    "classifications": read_classifications,
    "sample": read_sample,
}

ALL_IN, SOME_SKIPPED, NOTHING_USABLE, INTERRUPTED = 0, 1, 2, 130
_MOST_REPORTED = 200


class Command(BaseCommand):
    # Django's own checks would load the whole read side, at the price of a few thousand filings.
    requires_system_checks = ()
    help = (
        "Read files and record what is new in them. Reading a file again adds nothing. "
        "Exit code 0: all is in; 1: something was skipped and reported; 2: nothing could be used; 130: interrupted, "
        "what is in stays in."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", choices=sorted(SOURCES), help="what kind of files these are")
        parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="a file, a folder or an archive")
        parser.add_argument("--wait", action="store_true", help="return only when the figures can be read")

    def handle(self, *args: object, **options: Any) -> None:
        expect_many_plain_objects()
        tally = Tally()
        started = time.monotonic()
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            self._ingest(options, tally, started)
        finally:
            signal.signal(signal.SIGTERM, before)

    def _ingest(self, options: dict[str, Any], tally: Tally, started: float) -> None:
        shown = _Progress(self.stderr, started=started)
        try:
            with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection:
                room = Room(lambda: read_backlog(connection), limits=settings.FACTFOLD, told=shown.waiting)
                ingest(
                    connection,
                    SOURCES[options["source"]](options["paths"]),
                    tally=tally,
                    now=lambda: datetime.now(UTC),
                    skipped=shown.skipped,
                    progress=shown.progress,
                    wait_for_room=room.wait,
                )
        except KeyboardInterrupt:
            shown.finish()
            self.stdout.write(f"interrupted; what is in stays in: {summary(tally, seconds=time.monotonic() - started)}")
            sys.exit(INTERRUPTED)
        except psycopg.OperationalError as error:
            shown.finish()
            self.stderr.write(
                f"The database cannot be reached: {error}".rstrip()
                + "\nStart it (`python3 manage.py up`) or set DATABASE_URL, run this again; it goes on where it was."
            )
            sys.exit(NOTHING_USABLE)
        shown.finish()
        if room.waited_seconds >= 0.1:
            self.stdout.write(f"waited {room.waited_seconds:.1f} s in between for the figures to follow")
        self.stdout.write(summary(tally, seconds=time.monotonic() - started))
        self.stdout.flush()
        if options["wait"]:
            self._wait(started)
        sys.exit(exit_code(tally))

    def _wait(self, started: float) -> None:
        # Only who waits loads the projectors and their Redis client.
        from redis import Redis

        from projections.waiting import ProjectionPaused, wait_until_readable

        factfold = settings.FACTFOLD
        try:
            with (
                psycopg.connect(factfold.database_url, autocommit=True) as connection,
                Redis.from_url(factfold.redis_url, socket_connect_timeout=2, socket_timeout=5) as redis,
            ):
                position = wait_until_readable(connection, redis, between=lambda: time.sleep(0.05))
        except ProjectionPaused as paused:
            raise CommandError(f"what was read is in the log, but the projection is paused: {paused}") from paused
        except KeyboardInterrupt:
            self.stdout.write("not waiting any longer; `manage.py status` tells how far the figures are")
            sys.exit(INTERRUPTED)
        seconds = time.monotonic() - started
        self.stdout.write(f"the figures can be read, up to position {position}; {seconds:.1f} s in all")


def exit_code(tally: Tally) -> int:
    """This will say how an ingest went: 0 all in, 1 something skipped, 2 nothing usable."""
    if not tally.usable:
        return NOTHING_USABLE
    return SOME_SKIPPED if tally.skipped else ALL_IN


def summary(tally: Tally, *, seconds: float) -> str:
    """This will put an ingest into one line."""
    rate = tally.facts_read / seconds if seconds > 0 else 0.0
    all_known = tally.usable and not tally.events and not tally.skipped
    new = "0 new events, everything was there already" if all_known else f"{tally.events} new events"
    return (
        f"{tally.files} files, {tally.filings} filings, {tally.facts_read} facts read: {new} "
        f"({tally.facts} facts), {tally.unchanged} unchanged, {tally.passed_over} not applicable, "
        f"{tally.skipped} skipped; {seconds:.1f} s, {rate:.0f} facts/s"
    )


class _Progress:
    """Shows an ingest on standard error: one line that moves on a terminal, a line every few seconds elsewhere."""

    SECONDS_BETWEEN_LINES = 5.0

    def __init__(self, stderr: Any, *, started: float) -> None:
        self._stderr = stderr
        self._started = self._last = started
        self._skipped = 0
        self._moving = stderr.isatty()

    def progress(self, tally: Tally) -> None:
        now = time.monotonic()
        line = summary(tally, seconds=now - self._started)
        if self._moving:
            self._stderr.write(f"\r\x1b[K{line[:150]}", ending="")
        elif now - self._last >= self.SECONDS_BETWEEN_LINES:
            self._stderr.write(line)
            self._last = now
        self._stderr.flush()

    def waiting(self, backlog: Backlog) -> None:
        now = time.monotonic()
        line = f"waiting: {backlog.events} events are committed but not readable yet; {now - self._started:.1f} s"
        if self._moving:
            self._stderr.write(f"\r\x1b[K{line[:150]}", ending="")
        elif now - self._last >= self.SECONDS_BETWEEN_LINES:
            self._stderr.write(line)
            self._last = now
        self._stderr.flush()

    def skipped(self, item: Skipped) -> None:
        self._skipped += 1
        self.finish()
        if self._skipped <= _MOST_REPORTED:
            self._stderr.write(f"skipped {item.place}: {item.reason}")
        elif self._skipped == _MOST_REPORTED + 1:
            self._stderr.write("more was skipped; the count stands in the summary")

    def finish(self) -> None:
        if self._moving:
            self._stderr.write("\r\x1b[K", ending="")


def _interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
