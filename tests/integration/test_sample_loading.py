"""Whether `manage.py up` loads the sample: the database is asked, since one folder may serve several."""

from pathlib import Path

import psycopg
import pytest

from commands.dispatch import dispatch_many
from config.installation import Installation
from config.up import begin_sample
from tests.factories import register_company
from tests.fixtures.filings import NOW


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


class TestBeginSample:
    def test_begins_where_nothing_is(
        self, connection: psycopg.Connection, database_url: str, installation: Installation
    ) -> None:
        assert begin_sample(installation, database_url=database_url)

    def test_goes_on_until_the_end(
        self, connection: psycopg.Connection, database_url: str, installation: Installation
    ) -> None:
        begin_sample(installation, database_url=database_url)
        dispatch_many(connection, [register_company(cik=101)], now=NOW)

        stopped = begin_sample(installation, database_url=database_url)
        installation.sample_ended()
        ended = begin_sample(installation, database_url=database_url)

        assert (stopped, ended) == (True, False)

    @pytest.mark.parametrize("begun_elsewhere", [False, True])
    def test_leaves_alone_what_somebody_recorded(
        self, connection: psycopg.Connection, database_url: str, installation: Installation, begun_elsewhere: bool
    ) -> None:
        if begun_elsewhere:
            installation.begin_sample("another database")
        dispatch_many(connection, [register_company(cik=101)], now=NOW)

        assert not begin_sample(installation, database_url=database_url)
