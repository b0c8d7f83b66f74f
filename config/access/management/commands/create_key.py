"""`manage.py create_key`: lets somebody in."""

import re
import secrets
from argparse import ArgumentParser
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.access.key_store import add_key
from config.access.keys import KEY_SCOPES, RANDOM_BYTES, make_key

_LONGEST_NAME = 100
_HIGHEST_RATE = 1_000_000
_DAYS = re.compile(r"([0-9]{1,5})d")


class Command(BaseCommand):
    help = "Makes an API key and prints it, once: only a hash of it is kept. `keys` lists keys, `revoke_key` ends one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="whom or what it is for; `keys` shows it")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=KEY_SCOPES,
            help="what it may do: read figures (REST and MCP), write commands, admin for both; can be given again",
        )
        parser.add_argument(
            "--expires", help="for how many days it counts, such as 90d, or its last day (UTC), such as 2027-01-31"
        )
        parser.add_argument(
            "--rate", type=int, metavar="N", help="requests a minute, of each api process (default: no limit)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        name, rate, expires = options["name"].strip(), options["rate"], options["expires"]
        if not (0 < len(name) <= _LONGEST_NAME and name.isprintable()):
            raise CommandError(f"The name is {name!r}: use 1 to {_LONGEST_NAME} printable characters.")
        if rate is not None and not 1 <= rate <= _HIGHEST_RATE:
            raise CommandError(f"--rate is {rate}: use 1 to {_HIGHEST_RATE} requests a minute.")
        expires_at = expiry_of(expires, now=now) if expires else None
        key = make_key(secrets.token_bytes(RANDOM_BYTES))
        with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection:
            add_key(
                connection,
                key,
                name=name,
                scopes=sorted(set(options["scope"]), key=KEY_SCOPES.index),
                requests_a_minute=rate,
                expires_at=expires_at,
                now=now,
            )
        self.stdout.write(key.text)
        self.stderr.write(
            f"This is the key of {name}. Nobody can show it again; `manage.py revoke_key {key.prefix}` ends it."
        )


def expiry_of(text: str, *, now: datetime) -> datetime:
    """
    This will say from when on a key that counts for `90d`, or until a day, counts no more.

    Raises:
        CommandError: it is neither, or has passed.
    """
    try:
        if days := _DAYS.fullmatch(text):
            expires_at = now + timedelta(days=int(days[1]))
        else:
            expires_at = datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise CommandError(
            f"--expires is {text!r}: say for how many days, such as 90d, or the last day (UTC), such as 2027-01-31."
        ) from None
    if expires_at <= now:
        raise CommandError(f"--expires is {text!r}, which has passed: name a day to come.")
    return expires_at
