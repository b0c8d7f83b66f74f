"""`manage.py bi_login`: lets BI tools in, or out again."""

import secrets
import sys
from argparse import ArgumentParser
from typing import Any
from urllib.parse import quote

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from psycopg import sql

from projections.bi import ROLE


class Command(BaseCommand):
    help = (
        f"Gives the role {ROLE}, which may read schema bi and nothing else, a new password, lets it log in, and prints "
        "the address for BI tools."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--password-stdin", action="store_true", help="read the password instead of making one")
        parser.add_argument("--off", action="store_true", help="let it log in no more")

    def handle(self, *args: Any, **options: Any) -> None:
        role = sql.Identifier(ROLE)
        with psycopg.connect(settings.FACTFOLD.database_url, autocommit=True) as connection:
            try:
                if options["off"]:
                    connection.execute(sql.SQL("alter role {} nologin password null").format(role))
                    self.stdout.write(f"{ROLE} can log in no more; sessions it has go on until they end")
                    return
                password = sys.stdin.readline().rstrip("\n") if options["password_stdin"] else secrets.token_urlsafe(24)
                if not password:
                    raise CommandError("the password is empty")
                # Only the verifier travels, so that no log of the server can hold the password.
                verifier = connection.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256")
                connection.execute(
                    sql.SQL("alter role {} login password {}").format(role, sql.Literal(verifier.decode()))
                )
            except psycopg.errors.UndefinedObject:
                raise CommandError(
                    f"there is no role {ROLE}: see docs/bi.md for how an administrator makes it"
                ) from None
            except psycopg.errors.InsufficientPrivilege as error:
                raise CommandError(f"this user may not change {ROLE}: {error}; see docs/bi.md") from None
            where = connection.info
            host = f"{where.host}:{where.port}"
            self.stdout.write(f"postgresql://{ROLE}:{quote(password, safe='')}@{host}/{where.dbname}")
