"""Servers of a benchmark's own, with as many ready databases as it wants."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import psycopg
from psycopg import sql

from config.embedded.postgres import EmbeddedPostgres
from config.embedded.valkey import EmbeddedValkey

ROOT = Path(__file__).parent.parent


class Databases:
    """
    One PostgreSQL and one Valkey, durable as `manage.py up` has them.

    Databases are made from a migrated one: `migrated()` for `shards` shards is the first call.
    """

    def __init__(self, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
        self._postgres = postgres
        self.redis_url = valkey.url()

    def migrated(self, name: str, *, shards: int = 8) -> str:
        """This will make a database with all tables and give its address."""
        url = self.copied(name, of="template1")
        environ = {**os.environ, "DATABASE_URL": url, "REDIS_URL": self.redis_url, "FACTFOLD_SHARDS": str(shards)}
        migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
        subprocess.run(migrate, check=True, cwd=ROOT, env=environ)
        return url

    def copied(self, name: str, *, of: str) -> str:
        """This will make a database with the content another has and give its address."""
        with psycopg.connect(self._postgres.url(), autocommit=True) as connection:
            statement = sql.SQL("create database {} template {} strategy file_copy")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(of)))
        return self._postgres.url(name)

    def drop(self, name: str) -> None:
        """This will remove a database."""
        with psycopg.connect(self._postgres.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def running_databases(folder: Path) -> Iterator[Databases]:
    """This will run the servers and make this process ready to work on their databases."""
    postgres = EmbeddedPostgres(folder / "postgres", password=secrets.token_hex(8))
    valkey = EmbeddedValkey(folder / "valkey", password=secrets.token_hex(8))
    postgres.start()
    try:
        valkey.start()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": postgres.url(),
            "REDIS_URL": valkey.url(),
            "FACTFOLD_ANONYMOUS": "true",
        }
        django.setup()
        yield Databases(postgres, valkey)
    finally:
        valkey.stop()
        postgres.stop()
