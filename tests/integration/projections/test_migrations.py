"""Versions of the figures that were made by an earlier release."""

from importlib import import_module
from types import SimpleNamespace

import psycopg


class TestClasses:
    def test_are_made_in_every_version_there_is(self, connection: psycopg.Connection) -> None:
        add_classes = import_module("projections.migrations.0015_members").add_classes
        asked = "select cik from figures_v1.class_then(1, now(), %s)"
        with connection.transaction(force_rollback=True):
            connection.execute("drop function figures_v1.class_then; drop function figures_v1.class_today")
            connection.execute("drop function figures_v1.company_kind")
            connection.execute("insert into figures_v1.company_classification values (1, '-infinity', null, '6021')")

            add_classes(None, SimpleNamespace(connection=connection))

            told = [connection.execute(asked, (not_for,)).fetchall() for not_for in ("", "insurer", "bank insurer")]
            assert told == [[(1,)], [(1,)], []]
