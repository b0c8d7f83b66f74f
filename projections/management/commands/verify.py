"""`manage.py verify`: checks the guarantees on the running installation."""

import sys
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand
from redis import Redis

from projections.verify import Difference, verify


class Command(BaseCommand):
    help = (
        "Checks that the log is dense and ordered, that the read tables and aggregates equal a plain fold of it, that "
        "they are traced to filings, and that Redis serves the same. Exits with 1 and the first difference otherwise, "
        "with 2 where a server is away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        factfold = settings.FACTFOLD
        with (
            psycopg.connect(factfold.database_url, autocommit=True) as connection,
            Redis.from_url(factfold.redis_url) as redis,
        ):
            redis.ping()  # before an hour is spent on the tables
            try:
                found = verify(connection, redis, progress=self._progress)
            except Difference as difference:
                self.stderr.write(f"DIFFERENT  {difference}")
                sys.exit(1)
        self.stdout.write(
            f"OK  {found.events:,} events, {found.companies:,} companies, {found.facts:,} facts, "
            f"{found.values:,} values, {found.aggregates:,} aggregates, {found.fragments:,} Redis fragments"
        )

    def _progress(self, text: str) -> None:
        self.stderr.write(text)
