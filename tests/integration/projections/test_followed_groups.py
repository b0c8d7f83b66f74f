"""Groups that are followed from change to change, against the same groups sorted anew."""

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random

import msgspec
import psycopg
import pytest
from psycopg.rows import class_row

from projections import aggregates
from projections.figures.rows import CompanyRow
from projections.financials.classification import sector_of
from projections.financials.resolution import MetricVersion
from projections.plain_aggregates import AggregateKey, CountedAggregate, aggregates_of, frames_of, successors_of
from queries.metrics.catalogue import load_catalogue

NOW = datetime(2026, 1, 1, tzinfo=UTC)
METRICS = ("revenue", "net_margin")
PERIODS = ("CY2022", "CY2023")

RELATED = range(101, 106)
"""So few companies go on as one another that chains are long, and circles close and are led out of."""

Cell = tuple[str, str]


class Crowd:
    """Companies, what they stand for and what they are, in the tables and in mind."""

    def __init__(self, connection: psycopg.Connection, random: Random, count: int) -> None:
        self._connection = connection
        self._random = random
        self.companies = {cik: self._classified(cik) for cik in range(101, 101 + count)}
        self.values: dict[tuple[int, Cell], MetricVersion] = {}
        self.links: set[tuple[int, int]] = set()
        connection.execute("set search_path = figures_v1")
        for company in self.companies.values():
            connection.execute(
                "insert into company (cik, name, name_as_filed) values (%s, %s, '')",
                [company.cik, f"Company {company.cik}"],
            )
            self._classify(company)
        for cik in self.companies:
            for metric in METRICS:
                for period in PERIODS:
                    self.change(cik, (metric, period))

    def change(self, cik: int, cell: Cell) -> None:
        """Give a company another value in a cell, or none."""
        metric, period = cell
        self._connection.execute(
            "delete from metric_value where cik = %s and metric = %s and period = %s", [cik, metric, period]
        )
        self.values.pop((cik, cell), None)
        if self._random.random() < 0.85:
            self.values[cik, cell] = value = self._value(metric, period)
            columns = {**msgspec.structs.asdict(value), "cik": cik, "sources": None, "flags": []}
            names = ", ".join(columns)
            places = ", ".join(f"%({name})s" for name in columns)
            self._connection.execute(f"insert into metric_value ({names}) values ({places})", columns)
        self._connection.execute("insert into dirty_cell values (%s, %s, %s)", [metric, period, cik])

    def move(self, cik: int) -> None:
        """Put a company into other groups."""
        self.companies[cik] = self._classified(cik)
        self._classify(self.companies[cik])

    def merge(self, cik: int, predecessor: int) -> None:
        """Let a company go on under another CIK."""
        self.links.add((cik, predecessor))
        self._connection.execute(
            "insert into company_link values (%s, %s, '2023-01-01') on conflict do nothing", [cik, predecessor]
        )
        self._connection.execute("insert into dirty_cell (cik) values (%s)", [predecessor])

    def any_change(self) -> None:
        """Something happens to somebody, as often as not to one of those that go on as one another."""
        cik = self._random.choice((self._random.choice(RELATED), self._random.choice(list(self.companies))))
        drawn = self._random.random()
        if drawn < 0.15:
            self.move(cik)
        elif drawn < 0.25:
            self.merge(*self._random.sample(RELATED, 2))
        else:
            self.change(cik, (self._random.choice(METRICS), self._random.choice(PERIODS)))

    def _classified(self, cik: int) -> CompanyRow:
        sic, country = self._random.choice(("3571", "3572", "6020", None)), self._random.choice(("US", "US", "CA"))
        return CompanyRow(cik=cik, name_as_filed="", sic=sic, country=country, size_class=None)

    def _classify(self, company: CompanyRow) -> None:
        sic = company.sic
        self._connection.execute(
            "update company set sic = %s, sector = %s, industry = %s, country = %s where cik = %s",
            [sic, sector_of(sic), sic, company.country, company.cik],
        )
        self._connection.execute("insert into dirty_cell (cik) values (%s)", [company.cik])

    def _value(self, metric: str, period: str) -> MetricVersion:
        value = Decimal(self._random.randint(-3, 12)) / self._random.choice((1, 1, 8))
        parts = (value * 8, Decimal(8)) if metric == "net_margin" and self._random.random() < 0.7 else (None, None)
        return MetricVersion(
            metric, "annual", period, None, date(int(period[2:]), 12, 31), 365, 0, 0, NOW, None, value,
            load_catalogue().by_key()[metric].unit, "a", None, (), (), *parts,
        )  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
@pytest.mark.parametrize(
    ("followed_from", "step_cost"), [(1, 0), (4, 1), (aggregates.FOLLOWED_FROM, aggregates.STEP_COST)]
)
def test_are_what_sorting_their_members_gives_after_any_history(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, seed: int, followed_from: int, step_cost: int
) -> None:
    random = Random(seed)
    monkeypatch.setattr(aggregates, "FOLLOWED_FROM", followed_from)
    monkeypatch.setattr(aggregates, "STEP_COST", step_cost)
    crowd = Crowd(connection, random, count=40 if followed_from > 4 else 14)
    assert aggregates.refresh(connection, now=NOW)
    monkeypatch.setattr(aggregates, "BULK_SHARE", 0)
    crowd.move(101)
    for _ in range(12):
        for _ in range(random.choice((1, 1, 2, 9))):
            crowd.any_change()
        aggregates.refresh(connection, now=NOW)

        assert_as_sorted(connection, crowd)
    followed = rows_as_text(connection)
    connection.execute("insert into figures_v1.dirty_cell (cik) select cik from figures_v1.company")
    monkeypatch.setattr(aggregates, "BULK_SHARE", 1)
    aggregates.refresh(connection, now=NOW)

    assert rows_as_text(connection) == followed


def test_are_followed_where_that_is_less_than_to_sort(connection: psycopg.Connection) -> None:
    """Otherwise the test above would compare sorting with sorting."""
    crowd = Crowd(connection, Random(1), count=60)
    aggregates.refresh(connection, now=NOW)
    connection.execute(
        "set search_path = figures_v1; update group_aggregate set bottom_ciks = array[0] || bottom_ciks[2:]"
    )
    crowd.change(130, ("revenue", "CY2023"))
    aggregates.refresh(connection, now=NOW)

    connection.execute("set search_path = figures_v1")
    touched = connection.execute(
        "select group_by, bottom_ciks[1] = 0 from group_aggregate where metric = 'revenue' and period = 'CY2023' "
        "and group_by in ('all', 'industry') and group_key in ('all', %s) and n > 0",
        [crowd.companies[130].sic],
    ).fetchall()

    assert dict(touched) == {"all": True, "industry": False}


def test_of_a_period_few_have_reported_are_not_looked_for_member_by_member(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the first filings of each quarter would cost as much as there are companies, times the metrics."""
    monkeypatch.setattr(aggregates, "BULK_SHARE", 0)
    crowd = Crowd(connection, Random(1), count=60)
    for cik in (130, 131):
        crowd.change(cik, ("revenue", "CY2024"))
        aggregates.refresh(connection, now=NOW)
    crowd.change(132, ("revenue", "CY2024"))
    before = frame_searches(connection)
    aggregates.refresh(connection, now=NOW)

    assert frame_searches(connection) - before < 10
    assert_as_sorted(connection, crowd)


def frame_searches(connection: psycopg.Connection) -> int:
    connection.execute("select pg_stat_force_next_flush()")
    row = connection.execute(
        "select idx_scan from pg_stat_user_tables where schemaname = 'figures_v1' and relname = 'frame_value'"
    ).fetchone()
    assert row
    return int(row[0])


def rows_as_text(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute("select held::text from figures_v1.group_aggregate as held order by 1")
    return [text for (text,) in rows]


def assert_as_sorted(connection: psycopg.Connection, crowd: Crowd) -> None:
    groups = {cik: company.groups() for cik, company in crowd.companies.items()}
    stated = ((cik, [value]) for (cik, _), value in crowd.values.items())
    expected: dict[AggregateKey, CountedAggregate] = {}
    for cell, frame in frames_of(stated, successors=successors_of(crowd.links)).items():
        expected |= aggregates_of(cell, frame, groups)
    with connection.transaction(), connection.cursor(row_factory=class_row(CountedAggregate)) as cursor:
        connection.execute("set local search_path = figures_v1")
        rows = cursor.execute(f"select {', '.join(CountedAggregate.__struct_fields__)} from group_aggregate").fetchall()
    assert {(row.metric, row.period, row.group_by, row.group_key): row for row in rows} == expected
