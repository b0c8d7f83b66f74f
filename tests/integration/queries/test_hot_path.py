"""What the hot path promises: no threads, and every statement on its index."""

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from asgiref.sync import SyncToAsync
from redis import Redis

from config.access import key_lookup
from projections.redis_views import follow
from tests.fixtures.api_keys import bearer, given_key

EVERY_OPERATION = [
    "/v1/status",
    "/v1/changes?since_position=0",
    "/v1/search?query=app",
    "/v1/metrics",
    "/v1/metrics/revenue",
    "/v1/companies?q=app",
    "/v1/companies/AAPL",
    "/v1/companies/AAPL/series?metrics=revenue,total_assets",
    "/v1/companies/AAPL/filings",
    "/v1/series?companies=AAPL,MSFT&metrics=revenue",
    "/v1/aggregates?metric=revenue&period=CY2023",
    "/v1/aggregates?metric=net_income&period=CY2023",
    "/v1/aggregates?metric=net_income&last=5&as_of=2024-12-31&stats=growth,coverage",
    "/v1/frames/revenue/CY2023?sort=value",
    "/v1/screen?where=revenue>1e9&where=net_income.rank(sector)=1&where=sector!=services",
    "/v1/rankings?metric=revenue&period=CY2023",
    "/v1/companies/AAPL/standing?metrics=revenue,gross_margin",
    "/v1/companies/AAPL/peers",
    "/v1/compare?companies=AAPL,MSFT&metrics=revenue",
    "/v1/explain?company=AAPL&metric=gross_margin&period=CY2023",
]


@pytest.fixture(params=[{"read"}, set()], ids=["open to everybody", "with a key"])
async def front_door(
    figures: psycopg.Connection, redis: Redis, request: pytest.FixtureRequest
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole front door, its read side connected."""
    from django.conf import settings

    from config.asgi import FrontDoor, application

    follow(figures, redis)
    door = FrontDoor(dataclasses.replace(settings.FACTFOLD, anonymous=request.param), django=application)
    await door._read.startup()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=door), base_url="http://127.0.0.1") as client:
        if not request.param:
            client.headers.update(bearer(given_key(figures, "read")))
        yield client
    await door._read.shutdown()
    await door._keys.close()


class TestThreads:
    async def test_are_not_used_by_any_read_as_json(
        self, front_door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for path in EVERY_OPERATION:
            await front_door.get(path)
        monkeypatch.setattr(key_lookup, "KEPT_SECONDS", 0)  # a key is looked up for each of them
        hops: list[str] = []
        to_thread, in_executor = SyncToAsync.__call__, asyncio.BaseEventLoop.run_in_executor

        async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            hops.append("sync_to_async")
            return await to_thread(self, *args, **kwargs)

        def counted_too(self: Any, *args: Any, **kwargs: Any) -> Any:
            hops.append("run_in_executor")
            return in_executor(self, *args, **kwargs)

        monkeypatch.setattr(SyncToAsync, "__call__", counted)
        monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", counted_too)

        statuses = [(await front_door.get(path)).status_code for path in EVERY_OPERATION]

        assert statuses == [200] * len(EVERY_OPERATION)
        assert hops == []

    async def test_of_exports_are_their_own(
        self, front_door: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file is encoded beside the event loop, in threads that no other answer waits for."""
        hops: set[str] = set()
        in_executor = asyncio.BaseEventLoop.run_in_executor

        def noted(self: Any, executor: Any, *args: Any) -> Any:
            hops.add(getattr(executor, "_thread_name_prefix", "the default"))
            return in_executor(self, executor, *args)

        monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", noted)

        for suffix in ("csv", "parquet"):
            answer = await front_door.get(f"/v1/companies/AAPL/series.{suffix}?metrics=revenue")
            assert answer.status_code == 200

        assert hops == {"export"}

    async def test_cover_every_operation_there_is(self) -> None:
        from queries.rest.catalog import OPERATIONS

        asked = {path.partition("?")[0].replace("AAPL", "{company}") for path in EVERY_OPERATION}

        assert {operation.path for operation in OPERATIONS} == {
            path.replace("metrics/revenue", "metrics/{metric}").replace("revenue/CY2023", "{metric}/{period}")
            for path in asked
        }


_ON_DEMAND = {
    "metric": "revenue",
    "unit": "USD",
    "group_by": "sector",
    "groups": None,
    "as_of": datetime(2024, 6, 1, tzinfo=UTC),
}
HOT_STATEMENTS: list[tuple[str, str, Mapping[str, Any], set[str]]] = [
    (
        "aggregates_on_demand.sql",
        "periods",
        {
            **_ON_DEMAND,
            "known_by": ["revenue", "net_income"],
            "coverage": True,
            "low": "CY2020",
            "high": "CY2023",
            "form": "^CY",
            "last": 5,
        },
        {"metric_value_cell"},
    ),
    (
        "companies.sql",
        "by_cik",
        {"references": ["1"], "ciks": [1], "version": 1},
        {"company_pkey", "parked_name_version_stream_idx"},
    ),
    (
        "companies.sql",
        "by_name",
        {"references": ["AAPL"], "version": 1},
        {
            "company_pkey",
            "company_tickers",
            "company_name",
            "company_former_name_name",
            "parked_name_version_stream_idx",
        },
    ),
    (
        "series.sql",
        "values",
        {
            "ciks": [1, 2],
            "metrics": ["revenue"],
            "period_types": ["annual"],
            "since": None,
            "calendar_metrics": ["net_income", "total_assets"],
            "calendar_types": ["annual", "instant"],
            "view": "latest",
            "as_of": None,
        },
        {"metric_value_pkey"},
    ),
    ("splits.sql", "splits", {"ciks": [1, 2], "as_of": None}, {"company_split_pkey"}),
    (
        "filings.sql",
        "of_company",
        {
            "cik": 1,
            "form": None,
            "as_of": None,
            "after_known_at": None,
            "after_accession": None,
            "limit": 10,
        },
        {"filing_pkey"},
    ),
    (
        "changes.sql",
        "events",
        {"told_at": 8_900, "place": 1, "up_to": 9_000, "ciks": None, "kinds": ["filing_reported"], "limit": 101},
        {"change_pkey", "late_change_pkey", "late_change_told_at_idx"},
    ),
    (
        "changes.sql",
        "events",
        {"told_at": 0, "place": 0, "up_to": 9_000, "ciks": [7, 8], "kinds": ["filing_reported"], "limit": 101},
        {"change_cik_position_idx"},
    ),
    (
        "changes.sql",
        "restated",
        {
            "cik": [1],
            "accession": ["a"],
            "instant": [datetime(2024, 2, 1, tzinfo=UTC)],
            "is_withdrawn": [False],
            "metrics": ["metric1"],
            "after_metric": None,
            "after_end": None,
            "after_days": None,
            "after_type": None,
            "limit": 101,
        },
        {"metric_value_ended", "metric_value_pkey"},
    ),
    (
        "changes.sql",
        "aggregates",
        {
            "told_at": 8_990,
            "up_to": 9_000,
            "metrics": ["metric1"],
            "most_periods": 12,
            "every_period": "every",
            "after_metric": None,
            "after_period": None,
            "limit": 101,
        },
        {"refreshed_told_at_idx", "aggregate_change_seq_metric_period_idx"},
    ),
    (
        "aggregates.sql",
        "of_periods",
        {
            "metric": "revenue",
            "group_by": "sector",
            "low": "CY2023",
            "high": "CY2023",
            "form": "",
            "last": 1,
            "groups": None,
        },
        {"group_aggregate_pkey"},
    ),
    ("companies.sql", "former_names", {"ciks": [1, 2]}, {"company_former_name_pkey"}),
    (
        "companies.sql",
        "as_known_at",
        {"ciks": [1, 2], "as_of": "2023-12-31T00:00:00Z"},
        {"company_classification_pkey", "filing_pkey"},
    ),
    (
        "own_values.sql",
        "latest",
        {"cik": 1, "metrics": ["metric1"], "units": ["USD"], "kinds": ["annual"], "as_of": None},
        {"metric_value_pkey"},
    ),
    (
        "own_values.sql",
        "own",
        {
            "cik": 1,
            "metrics": ["metric1"],
            "periods": ["CY2023"],
            "units": ["USD"],
            "not_for": ["bank"],
            "group_bys": ["all", "sector"],
            "as_of": None,
        },
        {"frame_value_pkey", "aggregate_change_pkey"},
    ),
    (
        "current_values.sql",
        "current_values",
        {
            "version": 1,
            "cik": 1,
            "ticker": None,
            "metrics": ["metric1"],
            "periods": [None],
            "units": ["USD"],
            "kinds": ["annual"],
            "group_bys": ["all", "sector"],
        },
        {"company_pkey", "company_tickers", "metric_value_pkey", "frame_value_pkey", "aggregate_change_pkey"},
    ),
    ("splits.sql", "share_values", {"ciks": [1, 2], "metrics": ["metric1"]}, {"metric_value_pkey"}),
    (
        "rankings.sql",
        "of_companies",
        {"metric": "metric1", "period": "CY2023", "unit": "USD", "group_by": "all", "group": "all", "ciks": [2, 9]},
        {"frame_value", "company_pkey"},
    ),
    ("value_versions.sql", "versions", {"cik": 1, "metrics": ["metric1"]}, {"metric_value_pkey", "filing_pkey"}),
    ("columns.sql", "everybody", {"metric": "revenue", "period": "CY2023"}, {" frame_value_"}),
    (
        "cells.sql",
        "unchanged_since",
        {"metrics": ["revenue"], "periods": ["CY2023"], "group_bys": ["all"]},
        {"aggregate_change_pkey"},
    ),
    ("screen.sql", "page", {"ciks": [1, 2], "as_of": None}, {"company_pkey"}),
    (
        "screen.sql",
        "shown",
        {
            "figures": [0],
            "metrics": ["revenue"],
            "periods": ["CY2023"],
            "units": ["USD"],
            "not_for": [""],
            "as_of": None,
            "ciks": [1, 2],
        },
        # By company or by cell: both find a few rows at once.
        {" frame_value_"},
    ),
]


class TestPlans:
    def test_of_hot_statements_use_their_index(self, connection: psycopg.Connection, subtests: pytest.Subtests) -> None:
        from queries.service.members import statements_by_members

        with connection.transaction(force_rollback=True):
            connection.execute("set local search_path = figures_v1")
            _fill(connection)
            for file, name, parameters, indexes in HOT_STATEMENTS:
                statement = statements_by_members(file)["today"][name].rstrip(b";").replace(b"{figures}", b"figures_v1")
                plan = connection.execute(b"explain (costs off) " + statement, parameters).fetchall()
                # freshness has one row.
                told = "\n".join(line for (line,) in plan if "Seq Scan on freshness" not in line)
                with subtests.test(file, name=name):
                    assert "Seq Scan" not in told, told
                    assert {index for index in indexes if index in told} == indexes, told

    @pytest.mark.parametrize("companies", [60, 600])
    def test_of_what_is_planned_once_read_no_table_of_values_whole(
        self, companies: int, connection: psycopg.Connection, subtests: pytest.Subtests
    ) -> None:
        """Whatever it is asked with, and also where the companies are few, so that the planner takes it for cheap."""
        planned_once = ("own_values.sql", "current_values.sql", "cells.sql", "screen.sql")
        with connection.transaction(force_rollback=True):
            connection.execute("set local search_path = figures_v1; set local plan_cache_mode = force_generic_plan")
            _fill_cells(connection, companies=companies)
            for file, name, parameters, _ in HOT_STATEMENTS:
                if file in planned_once:
                    told = _generic_plan(connection, file, name, parameters)
                    with subtests.test(file, name=name):
                        assert not re.search(r"Seq Scan on (frame_value|metric_value)", told), told

    def test_of_where_the_event_of_a_token_stands_use_keys(self, connection: psycopg.Connection) -> None:
        from queries.service.statements import load_statements

        statement = load_statements("positions.sql", "queries")["events"].rstrip(b";")
        with connection.transaction(force_rollback=True):
            connection.execute(
                """
                insert into events.stream values ('company-1', 0, 0);
                insert into events.event (id, stream, version, type, data, size) overriding system value
                select n, 'company-1', n, 'CompanyRenamed', '{}', 2 from generate_series(1, 9000) n;
                insert into events.log (position, shard, shard_seq, event_id)
                select n, 0, n, n from generate_series(1, 9000) n;
                analyze events.event, events.log;
                """
            )
            plan = connection.execute(b"explain (costs off) " + statement, {"ids": [7, 8]}).fetchall()

        told = "\n".join(line for (line,) in plan)
        assert "Seq Scan" not in told
        assert "event_pkey" in told
        assert "log_event_id_key" in told

    def test_of_groups_worked_out_on_demand_read_only_the_values_of_their_periods(
        self, connection: psycopg.Connection
    ) -> None:
        from queries.service.members import statements_by_members

        asked = {
            **_ON_DEMAND,
            "periods": ["CY2023"],
            "growth": True,
            "coverage": True,
            "calendar_metrics": ["net_income", "revenue"],
            "then": True,
            "not_for": "bank",
            "shown": 5,
        }
        statement = statements_by_members("aggregates_on_demand.sql")["then"]["groups"].rstrip(b";")
        with connection.transaction(force_rollback=True):
            connection.execute("set local search_path = figures_v1")
            _fill(connection)
            connection.execute("update metric_value set period = 'CY' || 2000 + cik % 25; analyze metric_value")
            plan = connection.execute(b"explain (costs off) " + statement, asked).fetchall()

        told = [line for (line,) in plan]
        assert not [line for line in told if "Seq Scan on metric_value" in line]
        assert sum("metric_value_cell" in line for line in told) == 3, "the period, that before, the coverage"


def _generic_plan(connection: psycopg.Connection, file: str, name: str, parameters: Mapping[str, Any]) -> str:
    from queries.service.members import statements_by_members

    statement = statements_by_members(file)["today"][name].rstrip(b";").replace(b"{figures}", b"figures_v1").decode()
    for number, parameter in enumerate(parameters, start=1):
        statement = statement.replace(f"%({parameter})s", f"${number}")
    connection.execute(f"prepare planned_once as {statement}")
    with psycopg.ClientCursor(connection) as cursor:
        arguments = ", ".join(["%s"] * len(parameters))
        cursor.execute(f"explain (costs off) execute planned_once ({arguments})", list(parameters.values()))
        plan = cursor.fetchall()
    connection.execute("deallocate planned_once")
    return "\n".join(line for (line,) in plan)


def _fill_cells(connection: psycopg.Connection, *, companies: int) -> None:
    """Seven metrics of some companies in twenty years, each value in many versions."""
    connection.execute(
        "insert into company (cik, name, name_as_filed) select n, n, n from generate_series(1, %s) n", [companies]
    )
    connection.execute("""
        insert into frame_value
        select 'metric' || m, 'CY' || 2000 + y, cik, cik, null, '2023-12-31', 'a', '2024-01-01', '{}'
        from company, generate_series(1, 7) m, generate_series(1, 20) y;
        insert into metric_value (cik, metric, period_type, period, period_end, duration_days, calendar_offset,
            revision, known_from, value, unit, accession)
        select cik, metric, 'annual', period, make_date(substr(period, 3)::integer, 12, 31), 365, 0, revision,
            known_from + revision * interval '1 day', value, 'USD', accession
        from frame_value, generate_series(0, 9) as revision;
        insert into aggregate_change
        select distinct metric, group_by, period, 1 from frame_value, unnest(array['all', 'sector']) as group_by;
        analyze company, frame_value, metric_value, aggregate_change;
    """)


def _fill(connection: psycopg.Connection) -> None:
    """Enough rows that reading them all costs more than an index."""
    connection.execute(
        """
        insert into company (cik, name, name_as_filed, tickers)
        select n, 'Company ' || n, 'Company ' || n, array['T' || n] from generate_series(1, 3000) n;
        insert into filing (cik, accession, form, filed_on, known_at, source, fact_count, position)
        select n % 3000 + 1, 'accession ' || n, '10-K', '2024-01-01', '2024-01-01', 'sample', 1, 1
        from generate_series(1, 9000) n;
        insert into metric_value (cik, metric, period_type, period, period_end, duration_days, calendar_offset,
            revision, known_from, value, unit, accession)
        select n % 3000 + 1, 'metric' || n % 7, 'annual', 'CY2023', '2023-12-31', 365, 0, 0, '2024-01-01', n, 'USD', 'a'
        from generate_series(1, 21000) n;
        insert into group_aggregate
        select 'metric' || n % 90, 'CY' || 2000 + n % 25, 'industry', n::text, 'USD', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
            null, null, array[1], array[1], array[1], array[1]
        from generate_series(1, 9000) n;
        insert into frame_value
        select 'metric' || n % 7, 'CY2023', n % 3000 + 1, n, null, '2023-12-31', 'a', '2024-01-01', '{}'
        from generate_series(1, 21000) n;
        insert into projections.parked (name, version, position, stream, error)
        select 'figures', 1, n, 'company-' || n, 'unreadable' from generate_series(1, 3000) n;
        insert into company_split
        select n, '2020-01-01', 2, 'a', '2020-01-01' from generate_series(1, 3000) n;
        insert into company_former_name select n, 'Former ' || n, 'Former ' || n from generate_series(1, 3000) n;
        insert into company_classification select n, '-infinity' from generate_series(1, 3000) n;
        insert into metric_value (cik, metric, period_type, period, period_end, duration_days, calendar_offset,
            revision, known_from, value, unit, accession)
        select n % 3000 + 1, 'metric' || n % 7, 'annual', 'CY2023', '2023-12-31', 365, 0, 1, '2024-01-01', n, 'USD', 'b'
        from generate_series(1, 100) n;
        insert into change (position, kind, cik, accession, recorded_at)
        select n, 'filing_reported', n % 3000 + 1, 'accession ' || n, '2024-01-01' from generate_series(1, 9000) n;
        insert into late_change select n, n + 10 from generate_series(1, 9000, 3) n;
        insert into refreshed select n, n from generate_series(1, 9000) n;
        insert into aggregate_change select 'metric' || n % 90, 'all', 'CY' || n, n from generate_series(1, 9000) n;
        -- What waits beside an index to be put into it makes the index look dear.
        select gin_clean_pending_list('company_tickers');
        analyze company, filing, metric_value, frame_value, group_aggregate, projections.parked, company_split,
            change, late_change, refreshed, aggregate_change,
            company_former_name, company_classification;
        """
    )
