"""Versions of the figures that were made by an earlier release."""

from importlib import import_module
from types import SimpleNamespace

import psycopg
from django.db import transaction
from pytest_django import DjangoDbBlocker

from projections.catalog import PROJECTIONS

FORMER_NAMES = {"projections": {"0013_rules_and_places": "0013_rules"}}
"""What migrations were called when installations recorded them, by what they are called now."""


class TestNames:
    def test_an_installation_that_knows_a_migration_by_its_former_name_goes_on(
        self, connection: psycopg.Connection, django_db_blocker: DjangoDbBlocker
    ) -> None:
        from django.db import connection as django_connection
        from django.db.migrations.executor import MigrationExecutor

        renamed = [(app, former, now) for app, names in FORMER_NAMES.items() for former, now in names.items()]
        with django_db_blocker.unblock(), transaction.atomic():
            with django_connection.cursor() as cursor:
                for app, former, now in renamed:
                    cursor.execute(
                        "update django_migrations set name = %s where (app, name) = (%s, %s)", (former, app, now)
                    )
            executor = MigrationExecutor(django_connection)
            executor.loader.check_consistent_history(django_connection)
            left = executor.migration_plan(executor.loader.graph.leaf_nodes())
            transaction.set_rollback(True)

        assert left == []


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


class TestLinks:
    def test_that_are_none_are_not_taken_for_millions_in_a_version_just_made(
        self, connection: psycopg.Connection
    ) -> None:
        with connection.transaction(force_rollback=True):
            connection.execute("create schema figures_v2; set local search_path to figures_v2")
            connection.execute(PROJECTIONS["figures"].tables)

            assert links_expected(connection, version=2) < 1_000

    def test_are_counted_in_every_version_there_is(self, connection: psycopg.Connection) -> None:
        count_links = import_module("projections.migrations.0017_counted_links").count_links
        with connection.transaction(force_rollback=True):
            connection.execute("update pg_class set reltuples = -1 where oid = 'figures_v1.company_link'::regclass")
            assert links_expected(connection) > 1_000_000

            count_links(None, SimpleNamespace(connection=connection))

            assert links_expected(connection) < 1_000


def links_expected(connection: psycopg.Connection, *, version: int = 1) -> int:
    """How many companies the planner expects links to lead to."""
    plan = connection.execute(f"explain (format json) select * from figures_v{version:d}.companies_ahead()").fetchone()
    assert plan is not None
    rows: int = plan[0][0]["Plan"]["Plan Rows"]
    return rows
