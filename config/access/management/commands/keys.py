"""`manage.py keys`: who has been let in."""

from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand

from config.access.key_store import ListedKey, list_keys


class Command(BaseCommand):
    help = "Lists the API keys, also those that count no more, and never what proves them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON array instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection:
            keys = list_keys(connection)
        if options["json"]:
            self.stdout.write(msgspec.json.encode(keys).decode())
        elif not keys:
            self.stdout.write("there are no keys; `manage.py create_key NAME --scope read` makes one")
        else:
            self.stdout.write("\n".join(_table(keys, now=datetime.now(UTC))))


def _table(keys: Sequence[ListedKey], *, now: datetime) -> list[str]:
    widest = max(len("name"), *(len(key.name) for key in keys))
    lines = [f"prefix        {'name':<{widest}}  scopes            a minute  created     expires     counts"]
    for key in keys:
        rate = "any" if key.requests_a_minute is None else f"{key.requests_a_minute:,}"
        lines.append(
            f"{key.prefix}  {key.name:<{widest}}  {' '.join(key.scopes):<16}  {rate:>8}  {_day(key.created_at)}  "
            f"{_day(key.expires_at):<10}  {_counts(key, now=now)}"
        )
    return lines


def _counts(key: ListedKey, *, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"no, revoked {_day(key.revoked_at)}"
    return "no, expired" if key.expires_at is not None and key.expires_at <= now else "yes"


def _day(at: datetime | None) -> str:
    return "never" if at is None else f"{at.astimezone(UTC):%Y-%m-%d}"
