"""What changed after a position, over HTTP, against the real pipeline."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from anyio import to_thread
from pytest_django import DjangoDbBlocker
from redis import Redis

from commands.companies.change_tickers import ChangeTickers
from commands.companies.merge_company import MergeCompany
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.rename_company import RenameCompany
from commands.dispatch import dispatch_many
from commands.event_log.append import NewEvent, append_events, lock_streams
from commands.event_log.sequence import sequence_pending
from commands.filings.withdraw_filing import WithdrawFiling
from config.catching_up import progress_over
from projections.aggregates import refresh
from projections.parking import unpark
from projections.projection import live_version
from projections.projector import follow_version
from projections.rebuild import Rebuild
from projections.sweeper import drain, lagging_shards, utc_now
from projections.verify import verify
from queries.read_models.change import CHANGE_KINDS
from tests.factories import duration, report_filing
from tests.fixtures.emptying import begin_anew
from tests.fixtures.real_filings import report, together
from tests.fixtures.restating import ACME, BETA, FIRST, RESTATEMENT, SECOND, YEAR, acme_filing, report_first


@pytest.fixture
def acme(connection: psycopg.Connection, redis: Redis) -> psycopg.Connection:
    """A database with two companies, of which one has reported its revenue of 2023."""
    return report_first(connection, redis)


@pytest.fixture
async def client(acme: psycopg.Connection) -> AsyncIterator[httpx.AsyncClient]:
    from tests.fixtures.read_api import asgi_client, running_read_api
    from tests.integration.queries.conftest import hold_against_document

    async with running_read_api() as app, asgi_client(app) as opened:
        opened.event_hooks["response"].append(hold_against_document)
        yield opened


async def changes(client: httpx.AsyncClient, since: int, **asked: Any) -> list[dict[str, Any]]:
    """Every change after a position, page by page, but for what is null."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get("/v1/changes", params={"since_position": since, **asked, **cursor})
        assert answer.status_code == 200, answer.text
        rows += [{name: value for name, value in row.items() if value is not None} for row in answer.json()["data"]]
        if answer.json()["next_cursor"] is None:
            return rows
        cursor = {"cursor": answer.json()["next_cursor"]}


async def position(client: httpx.AsyncClient) -> int:
    return int((await client.get("/v1/status")).json()["meta"]["position"])


def set_aside(acme: psycopg.Connection, redis: Redis) -> None:
    """An event of the other company that cannot be folded, with one behind it that readers are told of."""
    stream = f"company-{BETA}"
    with acme.transaction():
        heads = lock_streams(acme, {stream})
        renamed = NewEvent(stream=stream, type="CompanyRenamed", data=b'{"cik": %d, "name": 5}' % BETA)
        append_events(acme, [renamed], heads=heads)
    report(acme, redis, RESTATEMENT)


def mend(acme: psycopg.Connection) -> None:
    """What a release of the fold does: the event can be read."""
    acme.execute(
        'update events.event set data = \'{"cik": 102, "name": "BRAVO INC"}\' where version = 2 and stream = %s',
        (f"company-{BETA}",),
    )


def replaced(told: list[dict[str, Any]]) -> list[int]:
    """Where it is told that figures were replaced."""
    return [row["position"] for row in told if row["kind"] == "figures_replaced"]


class TestChanges:
    async def test_tell_a_restated_figure_with_both_values_and_filings(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        since = await position(client)
        report(acme, redis, RESTATEMENT)

        told = await changes(client, since, kinds="filing_reported,figure_restated")

        filing = {"position": since + 1, "company": "ACME", "cik": ACME, "accession": SECOND, "form": "10-K/A"}
        known = {"known_from": "2025-02-15T05:00:00Z"}
        assert told[0] == {**filing, "kind": "filing_reported", **known}
        assert told[1:] == [
            {
                **filing,
                "kind": "figure_restated",
                "metric": "revenue",
                "unit": "USD",
                "period": "CY2023",
                "period_start": "2023-01-01",
                "period_end": "2023-12-31",
                "old_value": 1000,
                "value": 900,
                "old_accession": FIRST,
                **known,
            },
            *[row for row in told[2:] if row["period"] == "CY2023Q4TTM"],
        ]

    async def test_name_the_aggregates_worked_out_anew(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        since = await position(client)
        report(acme, redis, RESTATEMENT)

        told = await changes(client, since, kinds="aggregate_changed", metrics="revenue")

        assert [row["period"] for row in told if row["period"] == "CY2023"] == ["CY2023"]
        assert {"all", "sector", "industry"} <= set(told[0]["groupings"])
        assert {row["position"] for row in told} == {since + 1}

    async def test_say_what_else_happened_to_companies_and_filings(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        since = await position(client)
        at = datetime(2025, 1, 1, tzinfo=UTC)
        report(
            acme,
            redis,
            RESTATEMENT,
            acme_filing(FIRST, 1001),
            WithdrawFiling(
                cik=ACME, accession=SECOND, reason="not theirs", withdrawn_at=datetime(2025, 6, 1, tzinfo=UTC)
            ),
            RecordAcceptance(cik=ACME, filings=((FIRST, at),)),
            ReclassifyCompany(cik=ACME, sic="7372", country="CA"),
            RenameCompany(cik=ACME, name="APEX CORP"),
            ChangeTickers(cik=ACME, tickers=("APEX",)),
            MergeCompany(cik=ACME, predecessor_cik=BETA, effective_on=date(2020, 1, 1)),
        )

        told = [row for row in await changes(client, since, companies="APEX") if row["kind"] != "figure_restated"]

        shown = ("kind", "accession", "field", "was", "now")
        assert [tuple(row.get(name) for name in shown) for row in told] == [
            ("filing_reported", SECOND, None, None, None),
            ("filing_corrected", FIRST, None, None, None),
            ("filing_withdrawn", SECOND, None, None, None),
            ("filings_dated", None, None, None, None),
            ("company_reclassified", None, "country", "US", "CA"),
            ("company_reclassified", None, "sic", "3571", "7372"),
            ("company_renamed", None, "name", "Acme Corp", "APEX CORP"),
            ("company_tickers_changed", None, "tickers", "ACME", "APEX"),
            ("company_merged", None, "predecessor", None, str(BETA)),
        ]
        assert {row["company"] for row in told} == {"APEX"}

    async def test_tell_what_holds_since_a_filing_was_withdrawn(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        report(acme, redis, RESTATEMENT)
        since = await position(client)
        at = datetime(2025, 6, 1, tzinfo=UTC)
        report(acme, redis, WithdrawFiling(cik=ACME, accession=SECOND, reason="not theirs", withdrawn_at=at))

        told = await changes(client, since, kinds="figure_restated", metrics="revenue")

        assert [
            (row["old_value"], row["value"], row["old_accession"]) for row in told if row["period"] == "CY2023"
        ] == [(900, 1000, SECOND)]
        assert told[0]["known_from"] == "2025-06-01T00:00:00Z"

    async def test_tell_every_version_that_a_withdrawal_ended_however_the_pages_end(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        third = "0000000101-25-000003"
        report(acme, redis, RESTATEMENT, acme_filing(third, 1200, filed_on=date(2025, 6, 2), form="10-K/A"))
        since = await position(client)
        at = datetime(2025, 9, 1, tzinfo=UTC)
        report(acme, redis, WithdrawFiling(cik=ACME, accession=third, reason="not theirs", withdrawn_at=at))
        whole = await changes(client, 0, kinds="figure_restated", metrics="revenue")
        monkeypatch.setattr("queries.service.changes._MOST_AT_ONCE", 0)

        paged = await changes(client, 0, kinds="figure_restated", metrics="revenue", limit=1)
        withdrawn = await changes(client, since, kinds="figure_restated", metrics="revenue", limit=1)

        assert [(row["old_value"], row["value"]) for row in whole if row["period"] == "CY2023"] == [
            (1000, 900),
            (900, 1200),
            (1200, 900),
        ]
        assert paged == whole
        assert withdrawn == [row for row in whole if row["position"] > since]

    async def test_tell_a_figure_that_a_filing_left_without_value(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        profit = duration("us-gaap:NetIncomeLoss", *YEAR, "100")
        report(acme, redis, report_filing(cik=ACME, filed_on=date(2024, 3, 1), facts=(profit,)))
        since = await position(client)
        report(acme, redis, acme_filing(SECOND, 0, filed_on=date(2025, 2, 14), form="10-K/A"))

        told = await changes(client, since, kinds="figure_restated", metrics="net_margin")

        assert [(row["accession"], row["period"], row["old_value"], row.get("value")) for row in told] == [
            (SECOND, "CY2023", 0.1, None),
            (SECOND, "CY2023Q4TTM", 0.1, None),
        ]

    async def test_tell_what_an_earlier_filing_says_again_of_the_one_that_brought_it_about(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        report(acme, redis, acme_filing(SECOND, 1_000_000, filed_on=date(2024, 5, 1)))
        since = await position(client)
        third = "0000000101-25-000003"
        report(acme, redis, acme_filing(third, 1000, filed_on=date(2025, 2, 14)))

        told = await changes(client, since, kinds="figure_restated", metrics="revenue")
        every = await changes(client, 0, kinds="figure_restated", metrics="revenue")

        (year,) = [row for row in told if row["period"] == "CY2023"]
        assert (year["accession"], year["old_value"], year["value"]) == (third, 1_000_000, 1000)
        assert [row for row in every if row["position"] > since] == told

    @pytest.mark.parametrize("limit", [1, 2, 3, 7])
    async def test_come_in_pages_that_leave_out_and_double_nothing(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, limit: int
    ) -> None:
        report(acme, redis, RESTATEMENT, ReclassifyCompany(cik=ACME, sic="7372", country="CA"))
        whole = (await client.get("/v1/changes?since_position=0&limit=1000")).json()["data"]

        paged = await changes(client, 0, limit=limit)
        halves = [
            row
            for start in range(await position(client))
            for row in await changes(client, start)
            if row["position"] == start + 1
        ]

        assert paged == halves == [{k: v for k, v in row.items() if v is not None} for row in whole]

    async def test_of_a_position_that_brought_too_many_lead_on_by_cursor(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("queries.service.changes._MOST_AT_ONCE", 4)
        since = await position(client)
        report(acme, redis, RESTATEMENT)

        first = (await client.get(f"/v1/changes?since_position={since}&limit=3")).json()
        whole = await changes(client, since, limit=1000)
        paged = await changes(client, since, limit=3)

        assert (len(first["data"]), first["meta"]["position"]) == (3, since)
        assert [warning.partition(":")[2] for warning in first["meta"]["warnings"]] == [
            " go on with next_cursor, since meta.position begins it again"
        ]
        assert paged == whole

    async def test_as_a_file_stop_at_a_limit_but_not_within_the_position_they_begin_with(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        since = await position(client)
        report(acme, redis, RESTATEMENT, ReclassifyCompany(cik=ACME, sic="7372", country="CA"))
        whole = await changes(client, since)

        files = [await client.get(f"/v1/changes.csv?since_position={since + after}&limit=1") for after in (0, 1)]

        of_each = [sum(row["position"] == since + after for row in whole) for after in (1, 2)]
        assert min(of_each) > 1
        assert [len(file.text.splitlines()) - 1 for file in files] == of_each
        assert [int(file.headers["x-factfold-position"]) for file in files] == [since + 1, since + 2]

    @pytest.mark.parametrize("limit", [1, 3, 50])
    async def test_can_be_asked_for_from_the_position_of_any_page(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, limit: int
    ) -> None:
        report(acme, redis, RESTATEMENT)
        told: list[Any] = []
        since, end = 0, await position(client)

        while since < end:
            answer = (await client.get(f"/v1/changes?since_position={since}&limit={limit}")).json()
            reached = answer["meta"]["position"]
            told += answer["data"]
            assert reached > since
            since = reached

        assert [row["position"] for row in told] == [row["position"] for row in await changes(client, 0)]

    @pytest.mark.parametrize("limit", [1, 5, 1000])
    async def test_of_a_metric_in_many_periods_at_once_are_told_in_one_row(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, limit: int
    ) -> None:
        since = await position(client)
        years = [
            duration("us-gaap:Revenues", f"{year}-01-01", f"{year}-12-31", str(year)) for year in range(2010, 2024)
        ]
        profit = duration("us-gaap:NetIncomeLoss", *YEAR, "5")
        report(acme, redis, report_filing(cik=BETA, filed_on=date(2024, 3, 1), facts=together(*years, profit)))

        told = await changes(client, since, limit=limit, kinds="aggregate_changed", metrics="revenue,net_income")

        of_revenue = [row for row in told if row["metric"] == "revenue"]
        of_profit = [row for row in told if row["metric"] == "net_income"]
        assert of_revenue == [{"position": since + 1, "kind": "aggregate_changed", "metric": "revenue"}]
        assert {"CY2023", "CY2023Q4TTM"} >= {row["period"] for row in of_profit} >= {"CY2023"}
        assert all("all" in row["groupings"] for row in of_profit)

    async def test_after_the_newest_position_are_none(self, client: httpx.AsyncClient) -> None:
        newest = await position(client)

        answer = await client.get(f"/v1/changes?since_position={newest}")

        assert (answer.json()["data"], answer.json()["meta"]["position"]) == ([], newest)

    async def test_before_they_were_kept_are_refused(self, client: httpx.AsyncClient, acme: psycopg.Connection) -> None:
        acme.execute("insert into figures_v1.change_horizon (position) values (2)")

        answers = [await client.get(f"/v1/changes?since_position={since}") for since in (1, 2)]

        assert [answer.status_code for answer in answers] == [410, 200]
        assert (answers[0].json()["code"], answers[0].json()["position"]) == ("changes_expired", 2)


class TestChangesToldLate:
    async def test_of_a_stream_that_was_parked_reach_those_who_had_read_on(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis
    ) -> None:
        set_aside(acme, redis)
        since = await position(client)
        before = await changes(client, since - 2, kinds="company_renamed")
        mend(acme)
        unpark(acme, projection="figures")
        drain(acme, redis)
        unmoved = await changes(client, since, kinds="company_renamed")
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))

        told = await changes(client, since, companies="102,101")

        assert before == unmoved == []
        assert [(row["kind"], row.get("now"), row["position"] <= since) for row in told] == [
            ("company_renamed", "BRAVO INC", True),
            ("company_tickers_changed", "APEX", False),
        ]

    async def test_are_handed_over_by_a_rebuild_that_says_where_figures_were_replaced(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, database_url: str
    ) -> None:
        since = await position(client)
        of_events = ",".join(kind for kind in CHANGE_KINDS if kind not in ("aggregate_changed", "figures_replaced"))
        kept = [(row["position"], row["kind"]) for row in await changes(client, 0, kinds=of_events)]
        rebuild = Rebuild(database_url, projection="figures", clock=utc_now)
        rebuild.run()
        acme.execute("update figures_v2.metric_value set value = 5 where metric = 'revenue'")
        rebuild.run(accept_differences=True)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))

        told = await changes(client, since, kinds="company_tickers_changed,figures_replaced")

        assert [(row["kind"], row["position"]) for row in told] == [
            ("company_tickers_changed", since + 1),
            ("figures_replaced", since + 1),
        ]
        found = [row for row in await changes(client, 0, kinds=of_events) if row["position"] <= since]
        assert [(row["position"], row["kind"]) for row in found] == kept

    async def test_say_when_figures_were_replaced_last_of_rebuilds_at_one_position(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, database_url: str
    ) -> None:
        since = await position(client)
        first, second, back = (
            Rebuild(database_url, projection="figures", clock=partial(datetime, 2026, 3, day, tzinfo=UTC))
            for day in (1, 2, 3)
        )
        for version, rebuild in enumerate((first, second), start=1):
            acme.execute(f"update figures_v{version}.metric_value set value = 5 where metric = 'revenue'".encode())
            rebuild.run(accept_differences=True)
        back.roll_back()
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))

        told = await changes(client, since, kinds="figures_replaced")

        assert [row["known_from"] for row in told] == ["2026-03-03T00:00:00Z"]

    async def test_are_told_once_more_where_a_version_went_back_to_had_not_read_them(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, database_url: str
    ) -> None:
        set_aside(acme, redis)
        rebuild = Rebuild(database_url, projection="figures", clock=utc_now, park=True)
        rebuild.run(accept_differences=True)
        mend(acme)
        unpark(acme, projection="figures")
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))
        since = await position(client)
        rebuild.roll_back()
        unpark(acme, projection="figures")
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("ACME",)))

        told = await changes(client, since, kinds="company_renamed")

        assert [row["now"] for row in told] == ["BRAVO INC"]

    async def test_are_told_late_where_only_the_rebuilt_version_could_read_them(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, database_url: str
    ) -> None:
        set_aside(acme, redis)
        since = await position(client)
        mend(acme)
        Rebuild(database_url, projection="figures", clock=utc_now).run(accept_differences=True)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))

        told = await changes(client, since, kinds="company_renamed")

        assert [row["now"] for row in told] == ["BRAVO INC"]


type Upgrade = Callable[[], Awaitable[None]]


class TestAnUpgradeThatFoldsAnew:
    @pytest.fixture
    def upgrade(self, database_url: str, django_db_blocker: DjangoDbBlocker) -> Upgrade:
        return partial(to_thread.run_sync, begin_anew, database_url, django_db_blocker)

    async def test_is_told_to_those_who_read_before_as_figures_that_were_replaced(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, upgrade: Upgrade
    ) -> None:
        since = await position(client)
        dispatch_many(acme, [ChangeTickers(cik=ACME, tickers=("APEX",))], now=utc_now())
        sequence_pending(acme)

        await upgrade()
        reached, done = await position(client), progress_over(acme, redis).done
        asked = (f"changes?since_position={since}", f"metrics?min_position={since}")
        too_early = [await client.get(f"/v1/{question}") for question in asked]
        drain(acme, redis)
        told = await changes(client, since, kinds="company_tickers_changed,figures_replaced")

        assert (reached, done) == (0, False)
        assert [answer.status_code for answer in too_early] == [503, 503]
        assert [(row["kind"], row["position"]) for row in told] == [
            ("company_tickers_changed", since + 1),
            ("figures_replaced", since + 1),
        ]
        assert replaced(await changes(client, 0)) == [since + 1]
        verify(acme, redis)

    async def test_is_told_once_where_there_were_several_and_a_rebuild_at_one_position(
        self,
        client: httpx.AsyncClient,
        acme: psycopg.Connection,
        redis: Redis,
        database_url: str,
        upgrade: Upgrade,
    ) -> None:
        since = await position(client)
        acme.execute("update figures_v1.metric_value set value = 5 where metric = 'revenue'")
        Rebuild(database_url, projection="figures", clock=utc_now).run(accept_differences=True)
        begun = utc_now()

        for _ in range(2):
            await upgrade()
        drain(acme, redis)
        await upgrade()
        drain(acme, redis)
        unmoved = await changes(client, since)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))
        told = await changes(client, 0, kinds="figures_replaced")

        assert unmoved == []
        assert replaced(told) == [since + 1]
        assert datetime.fromisoformat(told[0]["known_from"]) >= begun

    async def test_is_told_also_to_those_who_read_while_the_one_before_was_folded(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, upgrade: Upgrade
    ) -> None:
        since = await position(client)
        await upgrade()
        for shard in lagging_shards(acme):
            follow_version(acme, version=live_version(acme, "figures"), shard=shard, up_to=1, park=True)
        refresh(acme, now=utc_now())
        halfway = await position(client)

        await upgrade()
        drain(acme, redis)
        told_halfway = await changes(client, halfway)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))

        assert (since, halfway) == (3, 2)
        assert replaced(told_halfway) == [halfway + 1]
        assert replaced(await changes(client, halfway)) == [halfway + 1, since + 1]
        assert replaced(await changes(client, since)) == [since + 1]

    async def test_of_a_release_that_kept_no_changes_is_told_as_well(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, upgrade: Upgrade
    ) -> None:
        since = await position(client)
        acme.execute("drop table figures_v1.change, figures_v1.late_change, figures_v1.replacement")

        await upgrade()
        drain(acme, redis)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))

        assert replaced(await changes(client, since)) == [since + 1]

    async def test_tells_late_what_had_been_set_aside_and_could_now_be_read(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, upgrade: Upgrade
    ) -> None:
        set_aside(acme, redis)
        since = await position(client)
        mend(acme)

        await upgrade()
        drain(acme, redis)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))
        told = await changes(client, since, kinds="company_renamed,company_tickers_changed,figures_replaced")

        assert [(row["kind"], row.get("now")) for row in told] == [
            ("company_renamed", "BRAVO INC"),
            ("company_tickers_changed", "APEX"),
            ("figures_replaced", None),
        ]

    async def test_forgets_nothing_that_was_still_to_be_told_late(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, upgrade: Upgrade
    ) -> None:
        set_aside(acme, redis)
        since = await position(client)
        mend(acme)
        unpark(acme, projection="figures")

        await upgrade()
        drain(acme, redis)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))

        assert [row["now"] for row in await changes(client, since, kinds="company_renamed")] == ["BRAVO INC"]

    async def test_tells_what_is_set_aside_again_once_it_is_taken_in(
        self, client: httpx.AsyncClient, acme: psycopg.Connection, redis: Redis, upgrade: Upgrade
    ) -> None:
        set_aside(acme, redis)
        await upgrade()
        drain(acme, redis)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("APEX",)))
        since = await position(client)
        before = await changes(client, 0, kinds="company_renamed")
        mend(acme)
        unpark(acme, projection="figures")
        drain(acme, redis)
        report(acme, redis, ChangeTickers(cik=ACME, tickers=("ACME",)))

        assert before == []
        assert [row["now"] for row in await changes(client, since, kinds="company_renamed")] == ["BRAVO INC"]
