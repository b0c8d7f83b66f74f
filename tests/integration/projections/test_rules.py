"""Figures that another release worked out in another way are told of until they are worked out anew."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from redis import Redis

from commands.dispatch import dispatch_many
from commands.errors import CommandError
from commands.messages import Command
from projections.rebuild import Rebuild, RebuildRefused
from projections.rules import OTHER_RULES
from projections.sweeper import drain, utc_now
from projections.verify import verify
from tests.factories import register_company, report_filing
from tests.fixtures.clean_database import clean_database

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def report(connection: psycopg.Connection, redis: Redis, *commands: Command) -> None:
    outcomes = dispatch_many(connection, commands, now=NOW)
    assert not [outcome for outcome in outcomes if isinstance(outcome, CommandError)]
    drain(connection, redis)


@pytest.fixture
def figures(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """A connection to a database with some figures."""
    report(connection, redis, register_company(cik=101), report_filing(cik=101))
    return connection


@pytest.fixture
def _of_another_release(figures: psycopg.Connection) -> Iterator[None]:
    """The figures were folded by rules of which nothing is known."""
    (own,) = figures.execute("select rules from projections.projection").fetchone() or (None,)
    figures.execute("update projections.projection set rules = null")
    yield
    figures.execute("update projections.projection set rules = %s where version = 1", [own])


@pytest.fixture
def migrate(connection: psycopg.Connection, django_db_blocker: Any) -> Iterator[Callable[..., None]]:
    """Brings the test's database to a migration; after the test it is empty and at the last one again."""

    def to(*names: str) -> None:
        with django_db_blocker.unblock():
            call_command("migrate", *names, verbosity=0)
            connections.close_all()

    yield to
    clean_database(connection)
    to()


def told(capsys: pytest.CaptureFixture[str]) -> tuple[bool, bool]:
    """Whether `status` tells of other rules, for people and for machines."""
    call_command("status")
    text = capsys.readouterr().out
    call_command("status", "--json")
    return OTHER_RULES in text, json.loads(capsys.readouterr().out)["of_other_rules"]


class TestRules:
    @pytest.mark.usefixtures("_of_another_release")
    def test_other_than_this_releases_are_told_of_until_a_rebuild(
        self, connection: psycopg.Connection, database_url: str, redis: Redis, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = told(capsys)
        Rebuild(database_url, projection="figures", clock=utc_now).run(accept_differences=True)
        after = told(capsys)

        assert (before, after) == ((True, True), (False, False))

    @pytest.mark.usefixtures("_of_another_release")
    def test_of_a_rebuild_that_another_release_began_end_it(
        self, figures: psycopg.Connection, database_url: str
    ) -> None:
        def stop(text: str) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Rebuild(database_url, projection="figures", clock=utc_now, tell=stop).run()
        figures.execute("update projections.projection set rules = 'older' where state = 'building'")

        with pytest.raises(RebuildRefused, match=r"figures_v2 was begun by other rules .* drop it with --abandon"):
            Rebuild(database_url, projection="figures", clock=utc_now).run()


class TestMigrate:
    @pytest.mark.usefixtures("_of_another_release")
    def test_tells_of_figures_of_other_rules(
        self, migrate: Callable[..., None], caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            migrate()

        assert [record.getMessage() for record in caplog.records] == [OTHER_RULES]

    def test_has_figures_of_older_tables_folded_anew_by_this_releases_rules(
        self,
        figures: psycopg.Connection,
        redis: Redis,
        migrate: Callable[..., None],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        migrate("projections", "0012")
        figures.execute("alter table figures_v1.company_split drop column known_to")

        with caplog.at_level(logging.WARNING):
            migrate()
        emptied = figures.execute("select count(*) from figures_v1.metric_value").fetchone()
        drain(figures, redis)

        assert (emptied, caplog.records) == ((0,), [])
        verify(figures, redis)
