"""What a migration does to figures that an older release made: they begin anew from the log."""

import psycopg
import pytest
from pytest_django import DjangoDbBlocker
from redis import Redis

from commands.dispatch import dispatch_many
from projections.emptying import empty_versions_without
from projections.sweeper import drain
from projections.verify import verify
from tests.factories import register_company, report_filing
from tests.fixtures.emptying import begin_anew, migrating
from tests.oracle.comparison import NOW

HELD = "select count(*) from figures_v1.filing"


@pytest.fixture
def reported(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    dispatch_many(connection, [register_company(cik=101), report_filing(cik=101)], now=NOW)
    drain(connection, redis)
    return connection


class TestAMigration:
    def test_has_figures_of_an_older_kind_made_anew(
        self, reported: psycopg.Connection, redis: Redis, database_url: str, django_db_blocker: DjangoDbBlocker
    ) -> None:
        begin_anew(database_url, django_db_blocker)
        emptied = reported.execute(HELD).fetchone()
        drain(reported, redis)

        assert emptied == (0,)
        assert reported.execute(HELD).fetchone() == (1,)
        verify(reported, redis)

    @pytest.mark.parametrize("name", ["company_split", "members_of", "company_split.known_to"])
    def test_leaves_those_alone_that_have_the_table_function_or_column(
        self, reported: psycopg.Connection, django_db_blocker: DjangoDbBlocker, name: str
    ) -> None:
        with migrating(django_db_blocker) as editor:
            empty_versions_without(editor, name)

        assert reported.execute(HELD).fetchone() == (1,)
