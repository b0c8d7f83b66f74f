"""The figures of groups beside what the exported frames add up to when they are grouped and counted once more."""

import io
from collections.abc import Callable

import httpx
import psycopg
import pytest
from django.core.management import call_command
from redis import Redis

from projections.sweeper import drain
from tests.oracle.groups import CELLS, LEAST_CELLS, FiguresDiffer, Reader, compare_groups
from tests.oracle.subjects import SAMPLE


@pytest.mark.slow
class TestGroups:
    def test_of_the_sample_are_what_its_frames_add_up_to_and_a_broken_one_is_named(
        self, connection: psycopg.Connection, connect: Callable[[], psycopg.Connection], redis: Redis
    ) -> None:
        # Reads Django's settings, which stand only after pytest has been configured.
        from tests.fixtures.read_api import served_api

        with pytest.raises(SystemExit):
            call_command("ingest", "sample", str(SAMPLE), stdout=io.StringIO(), stderr=io.StringIO())
        drain(connection, redis)

        with served_api({}) as address, httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
            compared = compare_groups(Reader(client), connect(), cells=CELLS[::2])
            connection.execute("update figures_v1.group_aggregate set p75 = p75 + 1e-12 where period = 'CY2024Q3TTM'")
            with pytest.raises(FiguresDiffer, match="net_income CY2024Q3TTM by all, all: p75 is"):
                compare_groups(Reader(client), connect(), cells=[("net_income", "CY2024Q3TTM")])

        assert compared.cells >= LEAST_CELLS
        assert compared.weighted > 500
