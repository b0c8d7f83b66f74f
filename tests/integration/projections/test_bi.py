"""What BI tools read: stable views of the live version, for a role that can do nothing else."""

import io
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from django.core.management import call_command
from psycopg.rows import class_row, dict_row
from redis import Redis

from commands.dispatch import dispatch_many
from config.embedded.postgres import postgres_programs
from projections import bi
from projections.rebuild import Rebuild, RebuildRefused
from projections.sweeper import drain, utc_now
from queries.metrics.catalogue import load_catalogue
from queries.read_models.aggregate_fragment import STORED_COLUMNS, StoredAggregate, public_row
from queries.service.metrics import metric_row
from tests.factories import register_company, report_filing
from tests.fixtures.figures import write_figures
from tests.fixtures.real_filings import report_real_filings

ROOT = Path(__file__).parent.parent.parent.parent
SHOWN_VERSION = """
select distinct depended.relnamespace::regnamespace::text
from pg_depend join pg_rewrite on pg_rewrite.oid = pg_depend.objid
join pg_class as view on view.oid = pg_rewrite.ev_class
join pg_class as depended on depended.oid = pg_depend.refobjid
where view.relnamespace = 'bi'::regnamespace and depended.relnamespace <> 'bi'::regnamespace
"""


def rows(connection: psycopg.Connection, statement: str) -> list[dict[str, Any]]:
    return connection.cursor(row_factory=dict_row).execute(statement.encode()).fetchall()


@contextmanager
def as_reader(connection: psycopg.Connection) -> Iterator[None]:
    connection.execute("set role factfold_bi")
    try:
        yield
    finally:
        connection.execute("reset role")


@pytest.fixture
def figures(connection: psycopg.Connection) -> psycopg.Connection:
    """The connection to a database that holds the small set of figures."""
    write_figures(connection)
    return connection


class TestViews:
    def test_have_the_columns_types_and_comments_that_are_documented(self, connection: psycopg.Connection) -> None:
        metrics = {metric.key: metric for metric in load_catalogue().published()}
        told = re.split(r"^### `bi\.(\w+)`$", (ROOT / "docs" / "bi.md").read_text(), flags=re.MULTILINE)
        documented = {
            view: [
                text.strip().partition("\n")[0],
                *re.findall(r"^\| `(\w+)` \| ([a-z\[\] ]+) \| (.+) \|$", text, re.M),
            ]
            for view, text in zip(told[1::2], told[2::2], strict=True)
        }

        found: dict[str, list[Any]] = {
            view: [comment]
            for view, comment in connection.execute(
                "select relname, obj_description(oid) from pg_class where relnamespace = 'bi'::regnamespace"
            )
        }
        for view, column, kind, comment in connection.execute(
            """
            select relname, attname, format_type(atttypid, null), col_description(attrelid, attnum)
            from pg_attribute join pg_class on pg_class.oid = attrelid
            where relnamespace = 'bi'::regnamespace and attnum > 0 order by attrelid, attnum
            """
        ):
            if view == "company_year" and column in metrics:
                metric = metrics[column]
                assert (kind, comment) == ("numeric", f"{metric.label}, {metric.unit}. {metric.description}")
            else:
                found[view].append((column, kind, comment))

        assert set(found) == set(bi.VIEWS)
        assert found == documented

    def test_say_of_each_metric_what_the_api_says(self, connection: psycopg.Connection) -> None:
        shown = rows(connection, "select * from bi.metric")

        told = [msgspec.structs.asdict(row) for row in map(metric_row, load_catalogue().published())]
        assert shown == [{name: row[name] for name in shown[0]} for row in told]

    def test_show_the_figures_to_the_role(self, figures: psycopg.Connection) -> None:
        with as_reader(figures):
            frame = rows(
                figures, "select company, value, year from bi.frame where metric = 'revenue' and period = 'CY2022'"
            )
            year = rows(
                figures, "select company, revenue, net_income, total_assets from bi.company_year where year = 2022"
            )
            restated = rows(figures, "select company, previous_value, value, change_ratio, latest from bi.restatement")
            vintages = rows(figures, "select revision from bi.vintage where cik = 9000001 and metric = 'revenue'")
            sectors = rows(
                figures, "select group_key, median from bi.group_aggregate where group_by = 'sector' and year = 2023"
            )
            everything = [rows(figures, f"select * from bi.{view} limit 3") for view in bi.VIEWS]

        company = {row["company"]: row for row in frame}
        assert (company["AAPL"]["value"], company["AAPL"]["year"]) == (394328000000, 2022)
        assert {row["company"]: row["revenue"] for row in year} == {row["company"]: row["value"] for row in frame}
        assert len(restated) == 1
        assert (restated[0]["previous_value"], restated[0]["value"]) == (1000, 900)
        assert (float(restated[0]["change_ratio"]), restated[0]["latest"]) == (-0.1, True)
        assert sorted(row["revision"] for row in vintages) == [0, 0, 1]
        assert {row["group_key"] for row in sectors} >= {"services", "manufacturing"}
        assert all(everything)

    def test_have_a_sum_where_the_api_has_one(self, connection: psycopg.Connection, redis: Redis) -> None:
        report_real_filings(connection, redis)
        names: dict[int, str] = dict(connection.execute("select cik, name from figures_v1.company").fetchall())

        shown = rows(connection, "select metric, unit, group_by, group_key, period, sum from bi.group_aggregate")
        with connection.cursor(row_factory=class_row(StoredAggregate)) as cursor:
            cursor.execute(f"select {', '.join(STORED_COLUMNS)} from figures_v1.group_aggregate".encode())
            told = [public_row(stored, names) for stored in cursor]

        assert {tuple(row.values()) for row in shown} == {
            (row.metric, row.unit, row.group_by, row.group, row.period, row.sum) for row in told
        }
        assert {row.unit for row in told if row.sum is None} == {"USD/shares", "pure"}

    def test_answer_every_question_of_the_documentation(self, figures: psycopg.Connection) -> None:
        blocks = re.findall(r"^```sql\n(.*?)^```", (ROOT / "docs" / "bi.md").read_text(), re.MULTILINE | re.DOTALL)
        statements = [statement for block in blocks for statement in block.split(";") if statement.strip()]

        with as_reader(figures):
            answers = [rows(figures, statement) for statement in statements]

        assert len(answers) >= 6
        assert [statement for statement, answer in zip(statements, answers, strict=True) if not answer] == []

    def test_find_the_values_of_a_period_by_index(self, figures: psycopg.Connection) -> None:
        with figures.transaction(force_rollback=True):
            figures.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
            plan = figures.execute(
                "explain select * from bi.frame where metric = 'revenue' and period = 'CY2022'"
            ).fetchall()

        told = "\n".join(line for (line,) in plan)
        assert "using frame_value_" in told

    def test_are_made_anew_where_an_older_release_had_other_columns(self, figures: psycopg.Connection) -> None:
        figures.execute("drop view bi.freshness; create view bi.freshness as select 1 as older")

        bi.publish(figures.info.dsn + f" password={figures.info.password}")

        with as_reader(figures):
            assert rows(figures, "select position, complete from bi.freshness") == [{"position": 40, "complete": True}]


class TestTheRole:
    # One test, because a role belongs to the whole server, which other tests share.
    def test_reads_the_views_and_can_do_nothing_else(
        self, figures: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def log_in(*options: str) -> str:
            printed = io.StringIO()
            call_command("bi_login", *options, stdout=printed)
            return printed.getvalue().strip()

        def ask(statement: str) -> subprocess.CompletedProcess[str]:
            command = [str(postgres_programs() / "psql"), address, "--no-psqlrc", "-tA", "-c", statement]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        address = log_in()

        assert ask("select name from company where ticker = 'AAPL'").stdout == "Apple Inc.\n"
        assert ask("select count(*) from bi.frame where metric = 'revenue'").returncode == 0
        for refused in (
            "insert into bi.company (cik) values (1)",
            "delete from bi.freshness",
            "select * from events.event",
            "select * from projections.checkpoint",
            "select * from figures_v1.metric_value",
            "select * from public.django_migrations",
            "create table public.mine ()",
            "create view bi.mine as select 1",
            "select * from frame('revenue', 'CY2023')",
        ):
            answer = ask(f"begin read write; {refused}")
            assert answer.returncode != 0, refused
            assert "permission denied" in answer.stderr or "does not exist" in answer.stderr, answer.stderr

        monkeypatch.setattr("sys.stdin", io.StringIO("a/b @c:é\n"))
        address = log_in("--password-stdin")
        assert ask("select 1").stdout == "1\n"

        log_in("--off")
        assert ask("select 1").returncode != 0


class TestTheSwitch:
    @pytest.fixture
    def reported(self, connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
        dispatch_many(
            connection,
            [command for cik in (101, 102) for command in (register_company(cik=cik), report_filing(cik=cik))],
            now=datetime(2026, 1, 1, tzinfo=UTC),
        )
        drain(connection, redis)
        return connection

    def test_makes_the_schema_where_an_older_version_could_not_be_shown(
        self, reported: psycopg.Connection, rebuild: Rebuild
    ) -> None:
        reported.execute("drop schema bi cascade")

        rebuild.run()

        with as_reader(reported):
            assert rows(reported, "select cik from bi.company order by cik") == [{"cik": 101}, {"cik": 102}]

    @pytest.fixture
    def rebuild(self, reported: psycopg.Connection, database_url: str) -> Rebuild:
        return Rebuild(database_url, projection="figures", clock=utc_now)

    def test_takes_the_views_along_and_back(self, reported: psycopg.Connection, rebuild: Rebuild) -> None:
        before = rows(reported, "select * from bi.metric_value order by cik, metric, period_end, period_type")

        rebuild.run()
        shown = rows(reported, SHOWN_VERSION)
        with as_reader(reported):
            after = rows(reported, "select * from bi.metric_value order by cik, metric, period_end, period_type")
            frames = rows(reported, "select count(*) from bi.frame")
        rebuild.roll_back()
        shown_again = rows(reported, SHOWN_VERSION)
        dropped = rebuild.drop_retired()

        assert [list(row.values()) for row in (*shown, *shown_again)] == [["figures_v2"], ["figures_v1"]]
        assert before == after != []
        assert frames[0]["count"] > 0
        assert dropped == [2]
        assert rows(reported, "select cik from bi.company order by cik") == [{"cik": 101}, {"cik": 102}]

    def test_waits_for_readers_and_is_refused_whole_where_one_never_ends(
        self,
        reported: psycopg.Connection,
        connect: Any,
        rebuild: Rebuild,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(bi, "_TRIED_SECONDS", (0.01, 0.02))
        reader = connect()
        with reader.transaction():
            reader.execute("select * from bi.company")

            with pytest.raises(RebuildRefused, match="reads the views"):
                rebuild.run()
            refused = rows(reported, SHOWN_VERSION + "union all select state from projections.projection")

        rebuild.run()

        assert {value for row in refused for value in row.values()} == {"figures_v1", "live", "building"}
        assert [list(row.values()) for row in rows(reported, SHOWN_VERSION)] == [["figures_v2"]]
