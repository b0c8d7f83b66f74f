"""`manage.py revoke_key`: lets somebody in no more."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.access.key_lookup import KEPT_SECONDS
from config.access.key_store import NoSuchKey, revoke_key


class Command(BaseCommand):
    help = "Ends an API key for ever. Whoever holds it is let in no more, everywhere, some seconds later at most."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", help="the 12 characters behind ff_, as `keys` lists them")

    def handle(self, *args: Any, **options: Any) -> None:
        with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection:
            try:
                key = revoke_key(connection, prefix=options["prefix"], now=datetime.now(UTC))
            except NoSuchKey:
                # Not repeated: who takes the whole key for its prefix would find it in a log.
                raise CommandError("No key has this prefix: `manage.py keys` lists those there are.") from None
        assert key.revoked_at is not None  # it is now, if it was not before
        self.stdout.write(
            f"{key.prefix} ({key.name}) has been revoked since {key.revoked_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; "
            f"it is let in nowhere {KEPT_SECONDS:.0f} seconds later"
        )
