"""The read tables against a plain fold of the log, on real PostgreSQL and Valkey."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs
from psycopg import sql
from redis import Redis

from commands.companies.change_tickers import ChangeTickers
from commands.companies.merge_company import MergeCompany
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.rename_company import RenameCompany
from commands.dispatch import dispatch_many
from commands.doorbells.memory import MemoryDoorbell
from commands.errors import CommandError
from commands.event_log.append import NewEvent, append_events, lock_streams
from commands.event_log.read import read_log
from commands.event_log.sequence import sequence_pending
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command, RecordedEvent
from commands.publishing import publish_pending
from projections.catalog import PROJECTIONS
from projections.comparison import columns_of
from projections.projection import live_version
from projections.projector import CatchUp, catch_up
from projections.redis_views import EPOCH_KEY, PREFIX
from projections.sweeper import drain, lagging_shards, refresh_figures
from projections.verify import Difference, verify
from queries.metrics.groupings import GROUPINGS
from tests.factories import duration, instant, register_company, report_filing
from tests.fixtures.clean_database import clean_database
from tests.fixtures.real_filings import ALPHABET, GOOGLE, report_real_filings
from tests.fixtures.remembered import remembered

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CIKS = (101, 102)
CHAIN = (101, 102, 103, 104)
LAST = 105
DAY = date(2015, 10, 2)


def dispatch_all(connection: psycopg.Connection, *commands: Command) -> None:
    outcomes = dispatch_many(connection, commands, now=NOW)
    assert not [outcome for outcome in outcomes if isinstance(outcome, CommandError)]


def years(year: int) -> tuple[str, str]:
    return f"{year}-01-01", f"{year}-12-31"


# Small pools, so that filings overlap, restate, correct and compete with each other.
facts = st.one_of(
    st.builds(
        lambda concept, year, value: duration(concept, *years(year), str(value)),
        st.sampled_from(
            ["us-gaap:Revenues", "us-gaap:SalesRevenueNet", "us-gaap:CostOfRevenue", "us-gaap:NetIncomeLoss"]
        ),
        st.integers(2021, 2024),
        st.integers(-5, 9),
    ),
    st.builds(
        lambda concept, year, value: instant(concept, f"{year}-12-31", str(value)),
        st.sampled_from(["us-gaap:Assets", "us-gaap:StockholdersEquity", "us-gaap:LiabilitiesAndStockholdersEquity"]),
        st.integers(2021, 2024),
        st.integers(-5, 9),
    ),
    st.builds(
        lambda year, first, value: duration("us-gaap:Revenues", f"{year}-{first}", f"{year}-09-30", str(value)),
        st.integers(2022, 2024),
        st.sampled_from(["01-01", "07-01"]),
        st.integers(0, 9),
    ),
    st.builds(
        lambda year, value: duration(
            "us-gaap:WeightedAverageNumberOfSharesOutstandingBasic", *years(year), str(value), unit="shares"
        ),
        st.integers(2022, 2023),
        st.sampled_from([1, 2, 4, 9]),
    ),
    st.builds(
        lambda value: duration("us-gaap:Revenues", "2023-01-03", "2024-01-02", str(value), unit="EUR"),
        st.integers(0, 9),
    ),
)


FIVE_YEARS = tuple(
    fact
    for year in range(2019, 2024)
    for fact in (
        duration("us-gaap:Revenues", *years(year), str(year)),
        duration("us-gaap:NetIncomeLoss", *years(year), str(year - 2000)),
        instant("us-gaap:StockholdersEquity", f"{year}-12-31", str(year - 1000)),
    )
)

# Nothing of these feeds a figure: a form that may not, and a concept that no metric reads.
PROXY = {"form": "DEF 14A", "facts": FIVE_YEARS}
UNREAD = {"form": "10-K/A", "facts": (duration("us-gaap:UnrecognizedTaxBenefits", *years(2023), "1"),)}


def one_of_each(found: list[Any]) -> tuple[Any, ...]:
    """No fact twice in a filing."""
    return tuple({(concept, unit, values[0][:2]): (concept, unit, values) for concept, unit, values in found}.values())


ciks = st.sampled_from(CIKS)
accessions = st.integers(1, 4).map(lambda n: f"0000000101-24-{n:06d}")
instants = st.integers(0, 900).map(lambda days: datetime(2023, 6, 1, 17, tzinfo=UTC) + timedelta(days=days))
reports = st.builds(
    report_filing,
    cik=ciks,
    accession=accessions,
    form=st.sampled_from(["10-K", "10-K", "10-K/A", "10-Q", "8-K", "DEF 14A"]),
    filed_on=st.integers(0, 900).map(lambda days: date(2023, 6, 1) + timedelta(days=days)),
    accepted_at=st.none() | instants,
    facts=st.lists(facts, min_size=3, max_size=12).map(one_of_each),
)
others = st.one_of(
    st.builds(
        ReclassifyCompany,
        cik=ciks,
        sic=st.sampled_from(["3571", "7372", "5411", None]),
        country=st.sampled_from(["US", None]),
        size_class=st.sampled_from(["accelerated", "non_accelerated", None, UNSET]),
    ),
    st.builds(
        RenameCompany,
        cik=ciks,
        name=st.sampled_from(["Alpha", "Beta’s Co"]),
        former_names=st.sampled_from([None, None, (), (("Alpha", None), ("Old", date(2020, 1, 2)))]),
    ),
    st.builds(MergeCompany, cik=ciks, predecessor_cik=ciks, effective_on=st.just(date(2023, 1, 1))),
    st.builds(ChangeTickers, cik=ciks, tickers=st.sampled_from([(), ("AAA",), ("BBB", "AAA")])),
    st.builds(RecordAcceptance, cik=ciks, filings=st.tuples(st.tuples(accessions, instants))),
    st.builds(WithdrawFiling, cik=ciks, accession=accessions, reason=st.just("filed in error"), withdrawn_at=instants),
)
commands = st.one_of(reports, reports, others)


def rows_of(connection: psycopg.Connection, table: str) -> list[str]:
    rows = connection.execute(sql.SQL("select t::text from figures_v1.{} t order by 1").format(sql.Identifier(table)))
    return [text for (text,) in rows]


# What happened and when: of these a company that is back where it was has more than before.
HISTORIES = frozenset({
    "aggregate_change", "change", "company_classification", "freshness", "late_change", "refreshed"
})  # fmt: skip


def lasting_tables(connection: psycopg.Connection) -> dict[str, list[str]]:
    found = connection.execute("select tablename from pg_tables where schemaname = 'figures_v1' order by 1")
    return {name: rows_of(connection, name) for (name,) in found if name not in HISTORIES}


def fragments_of(redis: Redis) -> dict[str, object]:
    """The aggregates in Redis by metric, grouping and period."""
    return {key.decode().partition(":agg:")[2]: redis.get(key) for key in redis.scan_iter("{ff}:*:agg:*")}


class TestAnyHistory:
    @settings(
        max_examples=15, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        firsts=st.tuples(*[st.sampled_from([{"facts": FIVE_YEARS}, {"facts": FIVE_YEARS}, PROXY, UNREAD])] * len(CIKS)),
        history=st.lists(st.lists(commands, min_size=1, max_size=6), min_size=2, max_size=5),
        batch_events=st.sampled_from([1, 2, 7, 1000]),
        randomness=st.randoms(use_true_random=False),
    )
    def test_the_tables_equal_a_plain_fold_for_any_batch_size_and_message_order(
        self,
        connection: psycopg.Connection,
        redis: Redis,
        firsts: tuple[dict[str, Any], ...],
        history: list[list[Command]],
        batch_events: int,
        randomness: Any,
    ) -> None:
        clean_database(connection)
        redis.flushall()
        dispatch_all(connection, *(register_company(cik=cik) for cik in CIKS))
        dispatch_all(connection, *(report_filing(cik=cik, **first) for cik, first in zip(CIKS, firsts, strict=True)))
        drain(connection, redis)

        for chunk in history:
            dispatch_many(connection, chunk, now=NOW)
            sequence_pending(connection)
            bells = [*lagging_shards(connection), *lagging_shards(connection)]
            randomness.shuffle(bells)
            for shard in bells[: randomness.randint(0, len(bells))]:
                catch_up(connection, projection="figures", shard=shard, batch_events=batch_events)
            if randomness.random() < 0.5:
                refresh_figures(connection, redis)
        drain(connection, redis)

        assert connection.execute("select error from projections.parked").fetchall() == []
        verify(connection, redis)


class TestFirstFiling:
    @pytest.mark.parametrize("first", [PROXY, UNREAD])
    @pytest.mark.parametrize("together", [True, False])
    def test_that_feeds_no_figure_leaves_the_company_to_count_with_its_next(
        self, connection: psycopg.Connection, redis: Redis, first: dict[str, Any], together: bool
    ) -> None:
        dispatch_all(connection, register_company(cik=101), report_filing(cik=101, **first))
        sequence_pending(connection)
        for shard in lagging_shards(connection):
            catch_up(connection, projection="figures", shard=shard, batch_events=2 if together else 1)
        refresh_figures(connection, redis)
        dispatch_all(connection, report_filing(cik=101))
        drain(connection, redis)

        assert counted(connection, "revenue", "3571") == {"CY2023": [(101, 1000)]}
        verify(connection, redis)


class TestRegistered:
    def test_alone_many_companies_change_no_group(self, connection: psycopg.Connection, redis: Redis) -> None:
        dispatch_all(connection, register_company(cik=101), report_filing(cik=101))
        drain(connection, redis)
        before = connection.execute("select * from figures_v1.aggregate_change order by metric, group_by, period")
        changes = before.fetchall()

        dispatch_all(connection, *(register_company(cik=cik) for cik in range(201, 221)))
        drain(connection, redis)

        after = connection.execute("select * from figures_v1.aggregate_change order by metric, group_by, period")
        assert after.fetchall() == changes
        assert connection.execute("select count(distinct cik) from figures_v1.group_member").fetchone() == (21,)
        verify(connection, redis)


class TestReclassified:
    def test_by_an_event_that_says_nothing_of_the_size_class_a_company_keeps_it(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        dispatch_all(connection, register_company(cik=101, size_class="accelerated"))
        with connection.transaction():
            heads = lock_streams(connection, {"company-101"})
            old = NewEvent(
                stream="company-101", type="CompanyReclassified", data=b'{"cik": 101, "sic": "7372", "country": null}'
            )
            append_events(connection, [old], heads=heads)

        drain(connection, redis)

        found = connection.execute("select sic, country, size_class from figures_v1.company").fetchone()
        assert found == ("7372", None, "accelerated")
        verify(connection, redis)

    def test_a_company_that_moves_and_moves_back_leaves_all_but_its_history_as_it_was(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        first: dict[str, Any] = {"sic": "3571", "country": "US", "size_class": "accelerated"}
        dispatch_all(connection, *(register_company(cik=cik, **first) for cik in CIKS))
        dispatch_all(connection, *(report_filing(cik=cik, facts=FIVE_YEARS) for cik in CIKS))
        drain(connection, redis)
        tables, fragments = lasting_tables(connection), fragments_of(redis)

        dispatch_all(connection, ReclassifyCompany(cik=101, sic="7372", country="IE", size_class="large_accelerated"))
        drain(connection, redis)
        moved_tables, moved_fragments = lasting_tables(connection), fragments_of(redis)
        dispatch_all(connection, ReclassifyCompany(cik=101, **first))
        drain(connection, redis)

        assert {name for name, rows in tables.items() if moved_tables[name] != rows} == {
            "company",
            "company_group",
            "group_member",
            "group_aggregate",
        }
        assert {key.split(":")[1] for key, held in fragments.items() if moved_fragments[key] != held} == {
            grouping for grouping in GROUPINGS if grouping != "all"
        }
        assert lasting_tables(connection) == tables
        assert fragments_of(redis) == fragments
        verify(connection, redis)


class TestMerged:
    def test_a_company_that_goes_on_as_another_counts_once_wherever_the_other_has_a_value(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report_real_filings(connection, redis)

        # 2014 stands in the last report of Google and in the first one of Alphabet: 0001288776-15-000008 and
        # 0001652044-16-000012. 2013 only Google states, 2015 only Alphabet.
        assert counted(connection, "revenue", "7370") == {
            "CY2012": [(GOOGLE, 46_039_000_000)],
            "CY2013": [(GOOGLE, 55_519_000_000)],
            "CY2014": [(ALPHABET, 66_001_000_000)],
            "CY2015": [(ALPHABET, 74_989_000_000)],
        }
        verify(connection, redis)

    def test_what_it_was_stands_again_when_the_other_states_it_no_more(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        report_real_filings(connection, redis)

        dispatch_all(
            connection,
            WithdrawFiling(cik=ALPHABET, accession="0001652044-16-000012", reason="filed in error", withdrawn_at=NOW),
        )
        drain(connection, redis)

        assert counted(connection, "revenue", "7370")["CY2014"] == [(GOOGLE, 66_001_000_000)]
        verify(connection, redis)

    @pytest.mark.parametrize("together", [True, False])
    def test_it_is_so_along_a_chain_and_not_in_a_circle(
        self, connection: psycopg.Connection, redis: Redis, together: bool
    ) -> None:
        first, second, third = (MergeCompany(cik=cik + 1, predecessor_cik=cik, effective_on=DAY) for cik in CHAIN[:3])
        back = MergeCompany(cik=CHAIN[0], predecessor_cik=CHAIN[3], effective_on=DAY)
        year = years(2023)
        bystanders = range(1000, 1050)  # With few companies every change is a large one.
        dispatch_all(connection, *(register_company(cik=cik, sic="7370") for cik in (*CHAIN, LAST, *bystanders)))
        dispatch_all(
            connection,
            *(report_filing(cik=cik, facts=(duration("us-gaap:Revenues", *year, str(cik)),)) for cik in CHAIN[:2]),
            report_filing(cik=CHAIN[3], facts=(duration("us-gaap:NetIncomeLoss", *year, "1"),)),
        )
        drain(connection, redis)

        for link in (third, first, second):
            dispatch_all(connection, link)
            if not together:
                drain(connection, redis)
        drain(connection, redis)
        chained = counted(connection, "revenue", "7370")
        dispatch_all(
            connection, report_filing(cik=CHAIN[3], facts=(duration("us-gaap:Revenues", *year, "9"),), form="10-K/A")
        )
        drain(connection, redis)
        prolonged = counted(connection, "revenue", "7370")
        dispatch_all(connection, back)
        drain(connection, redis)
        circular = counted(connection, "revenue", "7370")
        out_of_it = MergeCompany(cik=LAST, predecessor_cik=CHAIN[2], effective_on=DAY)
        dispatch_all(connection, report_filing(cik=LAST, facts=(duration("us-gaap:Revenues", *year, "7"),)), out_of_it)
        drain(connection, redis)
        ended = counted(connection, "revenue", "7370")

        assert chained == {"CY2023": [(CHAIN[1], CHAIN[1])]}
        assert prolonged == {"CY2023": [(CHAIN[3], 9)]}
        assert circular == {"CY2023": [(CHAIN[3], 9), *((cik, cik) for cik in CHAIN[:2])]}
        assert ended == {"CY2023": [(LAST, 7)]}
        verify(connection, redis)


def counted(connection: psycopg.Connection, metric: str, industry: str) -> dict[str, list[tuple[int, int]]]:
    """(CIK, value) of each member an industry has by a metric, by year, as the aggregates show them."""
    found = connection.execute(
        """
        select period, bottom_ciks, bottom_values from figures_v1.group_aggregate
        where metric = %s and group_by = 'industry' and group_key = %s and period ~ '^CY[0-9]{4}$'
        order by period
        """,
        [metric, industry],
    )
    return {period: list(zip(ciks, map(int, values), strict=True)) for period, ciks, values in found}


class TestStanding:
    def test_of_two_periods_equally_near_and_equally_known_the_later_stands_for_the_quarter(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        # As Costco's quarters of twelve weeks: 42 days before and 42 days after the end of March 2019.
        facts = (
            duration("us-gaap:Revenues", "2018-11-26", "2019-02-17", "57"),
            duration("us-gaap:Revenues", "2019-02-18", "2019-05-12", "65"),
        )
        dispatch_all(connection, register_company(cik=101), report_filing(cik=101, facts=facts))
        drain(connection, redis)

        connection.execute("set search_path = figures_v1")
        found = connection.execute("select value from frame('revenue', 'CY2019Q1')").fetchall()
        connection.execute("reset search_path")

        assert found == [(65,)]
        verify(connection, redis)


class TestAcceptance:
    def test_the_newest_statement_of_it_counts_on_both_sides(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        first, second = NOW, NOW + timedelta(hours=4)
        accession = "0000000101-24-000001"
        dispatch_all(
            connection,
            register_company(cik=101),
            RecordAcceptance(cik=101, filings=((accession, first),)),
            report_filing(cik=101, accession=accession, accepted_at=second),
            RecordAcceptance(cik=101, filings=((accession, second),)),
        )

        drain(connection, redis)

        decided = connection.execute("select accepted_at from events.acceptance_state").fetchall()
        assert connection.execute("select accepted_at from figures_v1.filing").fetchall() == decided == [(second,)]
        verify(connection, redis)


class TestWithdrawn:
    def test_a_filing_whose_values_another_one_repeats_leaves_them_as_they_were(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        first = report_filing(cik=101)
        again = report_filing(cik=101, accession="0000000101-24-000002", filed_on=date(2024, 3, 1))
        dispatch_all(connection, register_company(cik=101), first, again)
        drain(connection, redis)
        before = counted(connection, "revenue", "3571")

        dispatch_all(
            connection,
            WithdrawFiling(cik=101, accession=first.accession, reason="filed in error", withdrawn_at=NOW),
        )
        drain(connection, redis)

        assert counted(connection, "revenue", "3571") == before != {}
        verify(connection, redis)


class TestOddDates:
    @pytest.mark.parametrize("withdrawn", [False, True])
    def test_a_mistyped_year_is_kept_as_filed_and_feeds_nothing(
        self, connection: psycopg.Connection, redis: Redis, withdrawn: bool
    ) -> None:
        odd = (
            duration("us-gaap:Revenues", "0002-01-01", "0002-12-31", "5"),
            instant("us-gaap:Assets", "0001-01-01", "7"),
            instant("us-gaap:Liabilities", "9999-12-31", "8"),
        )
        filing = report_filing(cik=101, facts=odd)
        dispatch_all(connection, register_company(cik=101), filing)
        drain(connection, redis)

        if withdrawn:
            dispatch_all(
                connection,
                WithdrawFiling(cik=101, accession=filing.accession, reason="mistyped", withdrawn_at=NOW),
            )
        drain(connection, redis)

        assert connection.execute("select count(*) from figures_v1.fact").fetchone() == (3,)
        assert connection.execute("select count(*) from figures_v1.metric_value").fetchone() == (0,)
        assert connection.execute("select count(*) from projections.parked").fetchone() == (0,)
        verify(connection, redis)


class TestParking:
    def test_a_poison_event_sets_its_stream_aside_and_no_other(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        dispatch_all(connection, *(register_company(cik=cik) for cik in CIKS))
        with connection.transaction():
            heads = lock_streams(connection, {"company-101"})
            poison = NewEvent(stream="company-101", type="FilingReported", data=b'{"cik": 101, "accession": 5}')
            append_events(connection, [poison], heads=heads)
        dispatch_all(connection, report_filing(cik=101), report_filing(cik=102))

        drain(connection, redis)

        parked = connection.execute("select stream, position from projections.parked order by position").fetchall()
        assert parked == [("company-101", 3), ("company-101", 4)]
        assert connection.execute("select cik from figures_v1.filing").fetchall() == [(102,)]
        assert connection.execute("select parked from figures_v1.freshness").fetchone() == (1,)
        verify(connection, redis)


class TestShards:
    def test_two_workers_on_one_shard_fold_each_event_once(
        self, connection: psycopg.Connection, redis: Redis, connect: Callable[[], psycopg.Connection]
    ) -> None:
        dispatch_all(connection, register_company(cik=101))
        dispatch_all(connection, *(report_filing(cik=101) for _ in range(40)))
        sequence_pending(connection)
        (shard,) = lagging_shards(connection)
        workers = [connect() for _ in range(4)]

        def work(worker: psycopg.Connection) -> CatchUp:
            return catch_up(worker, projection="figures", shard=shard, batch_events=3)

        with ThreadPoolExecutor(len(workers)) as pool:
            found = list(pool.map(work, workers))

        assert sum(result.events for result in found) == 41
        drain(connection, redis)
        verify(connection, redis)


class TestBatches:
    def test_are_as_large_as_the_one_before_says_but_take_a_company_in_one_piece(
        self, connection: psycopg.Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = two_of_one_shard(connection)
        drain(connection, redis)
        mixed = [report_filing(cik=cik) for _ in range(10) for cik in (first, second)]
        dispatch_all(connection, *mixed, *(report_filing(cik=second) for _ in range(30)))
        # Four times as long as it should have taken; what comes then takes no time, beside so much patience.
        monkeypatch.setattr("projections.projector.BATCH_SECONDS", 1_000_000.0)
        connection.execute("update projections.checkpoint set last_batch_events = 8, last_batch_seconds = 4000000")
        sizes = recorded_sizes(monkeypatch)

        drain(connection, redis)

        assert sizes == [2, 4, 8, 6 + 30]
        verify(connection, redis)


def two_of_one_shard(connection: psycopg.Connection) -> tuple[int, int]:
    """Register companies until two are in the same shard."""
    dispatch_all(connection, *(register_company(cik=cik) for cik in range(101, 110)))
    found = connection.execute(
        "select array_agg(stream) from events.stream group by shard having count(*) > 1"
    ).fetchone()
    assert found
    first, second = (int(stream.removeprefix("company-")) for stream in found[0][:2])
    return first, second


def recorded_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events each batch folded from now on has."""
    figures, sizes = PROJECTIONS["figures"], list[int]()

    def fold(connection: psycopg.Connection, events: Sequence[RecordedEvent]) -> None:
        sizes.append(len(events))
        figures.fold(connection, events)

    monkeypatch.setitem(PROJECTIONS, "figures", structs.replace(figures, fold=fold))
    return sizes


class TestALongLog:
    @pytest.mark.parametrize("length", [32_000, 2**31 - 1_000])
    def test_goes_on_where_its_numbers_outgrow_an_integer_type(
        self, connection: psycopg.Connection, redis: Redis, length: int
    ) -> None:
        doorbell = MemoryDoorbell()
        dispatch_all(connection, register_company(cik=101), report_filing(cik=101))
        drain(connection, redis)
        publish_pending(connection, doorbell)
        for table in ("events.log", "events.shard_head", "events.publication", "projections.checkpoint"):
            position = sql.SQL("" if table == "events.publication" else ", position = position + {}").format(length)
            shift = sql.SQL("update {} set shard_seq = shard_seq + {}{} where shard_seq > 0")
            connection.execute(shift.format(sql.Identifier(*table.split(".")), length, position))
        connection.execute("update figures_v1.freshness set position = position + %s", [length])

        dispatch_all(connection, *(report_filing(cik=101) for _ in range(3)))
        sequence_pending(connection)
        publish_pending(connection, doorbell)
        log = read_log(connection, after=length, max_events=1_000)
        drain(connection, redis)

        assert [event.position - length for event in log] == [1, 2, 3, 4, 5]
        assert [bell.to_seq for bell in doorbell.rung] == [2, length + 5]
        assert connection.execute("select count(*) from figures_v1.filing").fetchone() == (4,)
        assert connection.execute("select position from figures_v1.freshness").fetchone() == (length + 5,)


STRANGERS = {
    "acceptance": "(7, 'a', now())",
    "change": "(9, '', 'filings_dated', 7, null, null, null, now())",
    "company_classification": "(7, '-infinity')",
    "company_former_name": "(7, 'A', 'A')",
    "company_link": "(7, 101, '2020-01-01')",
    "company_split": "(7, now(), 2, 'a', now())",
    "fact": "(7, 'us-gaap:Assets', 'USD', null, '2023-12-31', 0, 'a', 1)",
    "filing": "(7, 'a', '10-K', now(), null, now(), null, null, null, 'api', 1, 1)",
    "filing_check": "(7, 'a', 'c', null, '2023-12-31', 0, 1, 2)",
    "frame_value": "('assets', 'CY2023', 7, 1, null, now(), 'a', now(), '{}')",
    "group_member": "(1, 7)",
    "metric_value": "(7, 'assets', 'instant', null, null, now(), 0, 0, 0, now(), now(), 1, 'USD', 'a')",
}
"""A row of a company that is nowhere else, in each table."""


class TestVerify:
    @pytest.fixture(autouse=True)
    def _some_figures(self, connection: psycopg.Connection, redis: Redis) -> None:
        def report() -> None:
            dispatch_all(connection, register_company(cik=101), report_filing(cik=101))
            drain(connection, redis)

        remembered(connection, redis, "one filing", report)

    def test_finds_no_difference_in_figures_of_many_digits(self, connection: psycopg.Connection, redis: Redis) -> None:
        for cik, revenue, net_income in ((101, "7", "0.000000000001"), (102, "0.000000000001", "9" * 21)):
            facts = (
                duration("us-gaap:Revenues", *years(2023), revenue),
                duration("us-gaap:NetIncomeLoss", *years(2023), net_income),
            )
            dispatch_all(connection, register_company(cik=cik), report_filing(cik=cik, facts=facts))
        drain(connection, redis)

        verify(connection, redis)

    @pytest.mark.parametrize(
        ("damage", "place"),
        [
            ("update figures_v1.metric_value set value = value + 1", "metric_value of 101"),
            ("update figures_v1.fact set value = value + 1", "fact of 101"),
            ("delete from figures_v1.filing", "filing of 101"),
            ("insert into figures_v1.filing_count values (1)", "filing_count: 2 filings are counted, 1 are there"),
            ("update figures_v1.company set sector = 'mining'", "company 101"),
            ("insert into figures_v1.company_former_name values (101, 'A', 'A')", "company_former_name of 101"),
            ("update figures_v1.company_classification set sic = '1000'", "company_classification of 101"),
            ("update figures_v1.frame_value set flags = array['late']", "frame_value"),
            ("delete from figures_v1.frame_value", "frame_value"),
            (
                "insert into figures_v1.frame_value "
                "select 'assets', period, cik, value, period_start, period_end, accession, known_from, flags "
                "from figures_v1.frame_value where metric = 'revenue'",
                "frame_value",
            ),
            ("update figures_v1.frame_value set accession = 'a'", "filing of 101: .* is that of a, which is not there"),
            ("update figures_v1.filing set form = 'S-1'", "filing of 101: .* which is not there or feeds no figure"),
            ("update figures_v1.filing set position = 1", "filing of 101"),
            ("insert into figures_v1.acceptance values (101, 'a', now())", "acceptance of 101"),
            ("insert into figures_v1.company_link values (101, 102, '2020-01-01')", "company_link of 101"),
            ("insert into figures_v1.company_split values (101, now(), 2, 'a', now())", "company_split of 101"),
            (
                "insert into figures_v1.filing_check values (101, 'a', 'c', null, '2023-12-31', 0, 1, 2)",
                "filing_check of 101",
            ),
            ("insert into figures_v1.company_successor values (101, 102)", "company_successor"),
            ("delete from figures_v1.group_member", "group_member of 101"),
            (
                "update figures_v1.group_member set group_id = -1 where group_id in (select max(group_id) from "
                "figures_v1.group_member)",
                "group_member of 101",
            ),
            ("insert into figures_v1.company_group (group_by, group_key) values ('country', 'XX')", "company_group"),
            ("delete from figures_v1.change where kind = 'filing_reported'", "change of 101"),
            ("update figures_v1.change set now = 'A'", "change of 101"),
            (
                "insert into figures_v1.change values (7, '', 'filings_dated', 101, null, null, null, now())",
                "change of 101",
            ),
            ("delete from figures_v1.group_aggregate where group_by = 'all'", "group_aggregate"),
            ("update figures_v1.group_aggregate set top_ciks = array[7]", "group_aggregate"),
            ("update figures_v1.group_aggregate set bottom_values = array[7]", "group_aggregate"),
            ("update figures_v1.group_aggregate set parts = 7", "group_aggregate"),
            ("update figures_v1.group_aggregate set median = 0 where group_by = 'all'", "group_aggregate"),
            ("delete from figures_v1.company", "company 101"),
            ("update events.log set position = position + 1 where position = 2", "positions are not dense"),
            ("delete from events.log where position = 2", "event .* is neither in the log nor pending"),
            (
                "insert into events.pending select event_id, shard from events.log",
                "event 1 is in the log and still pending",
            ),
            (
                "update events.event set version = 7 where version = 2",
                "position 2 holds version 7 of company-101 out of order",
            ),
            ("update events.log set shard_seq = 7 where position = 2", "shard .* is not dense at position 2"),
            ("update events.shard_head set position = 7 where position > 0", "head of shard .* position 7"),
            ("update events.stream set version = version - 1", "company-101 says version 1 and has 2 events"),
            ("update projections.checkpoint set shard_seq = 7 where shard_seq > 0", "folded to 7 of shard"),
            ("update figures_v1.fact set duration_days = duration_days + 1", "fact of 101"),
        ],
    )
    def test_names_a_row_broken_by_hand(
        self, connection: psycopg.Connection, redis: Redis, damage: str, place: str
    ) -> None:
        verify(connection, redis)

        connection.execute(damage.encode())

        with pytest.raises(Difference, match=place):
            verify(connection, redis)

    @pytest.mark.parametrize("table", STRANGERS)
    def test_names_a_row_of_a_company_the_log_does_not_know(
        self, connection: psycopg.Connection, redis: Redis, table: str
    ) -> None:
        connection.execute(
            sql.SQL("insert into {} values {}").format(sql.Identifier("figures_v1", table), sql.SQL(STRANGERS[table]))
        )

        with pytest.raises(Difference, match=f"{table} of 7"):
            verify(connection, redis)

    def test_looks_for_such_rows_in_every_table_that_has_companies(self, connection: psycopg.Connection) -> None:
        """Those of the other three are found as they are compared whole, or as something that waits for a refresh."""
        columns = columns_of(connection, live_version(connection, "figures"))

        having = {table for table, names in columns.items() if "cik" in names}

        assert having - {"company", "company_successor", "dirty_cell"} == STRANGERS.keys()

    def test_says_at_once_that_a_refresh_is_due(self, connection: psycopg.Connection, redis: Redis) -> None:
        connection.execute("delete from figures_v1.fact; insert into figures_v1.dirty_cell (cik) values (101)")
        told: list[str] = []

        with pytest.raises(Difference, match="still catching up"):
            verify(connection, redis, progress=told.append)

        assert told == ["log: positions, shards and streams"]

    def test_looks_only_for_changes_from_where_they_are_kept(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        connection.execute("delete from figures_v1.change; insert into figures_v1.change_horizon (position) values (2)")

        verify(connection, redis)

    @pytest.mark.parametrize(
        ("key", "value", "place"),
        [
            ("meta", "{}", "redis: meta"),
            ("meta", None, "redis: meta"),
            ("seq", "7", "redis: stands at refresh"),
            ("seq", None, "redis: stands at refresh None"),
            ("agg:revenue:all:CY1999", "[]", "agg:revenue:all:CY1999.* is there or due, but not both"),
        ],
    )
    def test_names_what_redis_says_of_itself_broken_by_hand(
        self, connection: psycopg.Connection, redis: Redis, key: str, value: str | None, place: str
    ) -> None:
        epoch: Any = redis.get(EPOCH_KEY)
        damaged = f"{PREFIX}:{int(epoch)}:{key}"
        if value is None:
            redis.delete(damaged)
        else:
            redis.set(damaged, value)

        with pytest.raises(Difference, match=place):
            verify(connection, redis)

    def test_names_a_redis_key_broken_by_hand(self, connection: psycopg.Connection, redis: Redis) -> None:
        key = next(redis.scan_iter("{ff}:*:agg:revenue:all:*"))
        redis.set(key, b"[]")

        with pytest.raises(Difference, match="agg:revenue:all:CY2023"):
            verify(connection, redis)
