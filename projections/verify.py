"""
Does a live installation hold what the design promises?

1. The log is dense and keeps every stream's order. 2. The read tables equal a plain fold of the log up to each shard's
checkpoint, the aggregates a plain recomputation of that. 3. Redis serves the bytes the aggregate tables give. 8. What
companies stand for is traced to filings that count, and so are the aggregates, which are worked out from it.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from itertools import groupby, repeat
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import RowFactory, class_row, dict_row, namedtuple_row
from redis import Redis

from commands.messages import RecordedEvent
from commands.sql import load_statements
from projections.aggregates import is_stale
from projections.comparison import columns_of
from projections.figures.changes import Change
from projections.figures.rows import CompanyRow, Group
from projections.figures.values import version_of_row
from projections.financials.classification import BEGINNING, sector_of
from projections.financials.forms import trust_tier
from projections.financials.names import display_name
from projections.financials.resolution import Resolved
from projections.plain_aggregates import Cell, CountedAggregate, Frame, aggregates_of, frames_of, successors_of
from projections.plain_fold import CompanyFold, fold_events
from projections.projection import live_version
from projections.redis_views import EPOCH_KEY, PREFIX, fragment_key, freshness_text, meta_key, number_of, seq_key
from queries.metrics.periods import duration_days
from queries.read_models.aggregate_fragment import StoredAggregate, is_held_ready, public_row, render_fragment

_SQL = load_statements("projections", "verify.sql")
_STRANGER: Any = _SQL["stranger"].decode()

Progress = Callable[[str], None]

_ROWS_AT_ONCE = 5_000
_CELLS_TOLD = 500


class Difference(Exception):
    """The installation breaks a guarantee; the message names the first place where it does."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at and found right."""

    events: int
    companies: int
    facts: int
    values: int
    aggregates: int
    fragments: int


def verify(connection: psycopg.Connection, redis: Redis, *, progress: Progress = lambda text: None) -> Verified:
    """
    This will check guarantees 1 to 3 on a live installation, and 8 as far as tables go.

    Everything in PostgreSQL is read in one snapshot, a company or a cell at a time. Tables and Redis are compared only
    when no refresh is due; run it again when it says that the installation is still catching up.

    Raises:
        Difference: the first thing found that is not as it must be.
    """
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            live_version(connection, "figures").enter(connection)
            progress("log: positions, shards and streams")
            events = _verify_log(connection)
            if is_stale(connection):
                raise Difference("aggregates: still catching up; run verify again when status shows no lag")
            _verify_traces(connection)
            return _verify_tables(connection, redis, events, progress)
    finally:
        connection.isolation_level = None


def _first(connection: psycopg.Connection, name: str, parameters: Mapping[str, Any] | None = None) -> Any:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[name], parameters).fetchone()


def _verify_log(connection: psycopg.Connection) -> int:
    totals = _first(connection, "log_totals")
    if totals["first"] != 1 or totals["last"] != totals["placed"]:
        raise Difference(
            f"log: positions are not dense: {totals['placed']} events between {totals['first']} and {totals['last']}"
        )
    if found := _first(connection, "unsequenced"):
        raise Difference(f"log: event {found['id']} is neither in the log nor pending")
    if found := _first(connection, "placed_and_pending"):
        raise Difference(f"log: event {found['id']} is in the log and still pending")
    if found := _first(connection, "stream_disorder"):
        raise Difference(
            f"log: position {found['position']} holds version {found['version']} of {found['stream']} out of order"
        )
    if found := _first(connection, "shard_disorder"):
        raise Difference(f"log: shard {found['shard']} is not dense at position {found['position']}")
    if found := _first(connection, "strayed_head"):
        raise Difference(
            f"log: the head of shard {found['shard']} says {found['shard_seq']}, position {found['position']}; "
            f"the log goes to {found['last_seq']}"
        )
    if found := _first(connection, "strayed_stream"):
        raise Difference(f"log: {found['stream']} says version {found['version']} and has {found['events']} events")
    if found := _first(connection, "strayed_checkpoint"):
        raise Difference(
            f"{found['name']}: folded to {found['shard_seq']} of shard {found['shard']}, whose log goes to "
            f"{found['last_seq']}"
        )
    return int(totals["placed"])


def _verify_traces(connection: psycopg.Connection) -> None:
    """Everything companies stand for is stated by a filing of theirs that is there and may feed a figure."""
    counting = [form for (form,) in connection.execute(_SQL["forms"]) if trust_tier(form) is not None]
    if found := _first(connection, "untraced", {"forms": counting}):
        raise Difference(
            f"filing of {found['cik']}: {found['metric']} of {found['period']} is that of {found['accession']}, "
            "which is not there or feeds no figure"
        )


def _verify_tables(connection: psycopg.Connection, redis: Redis, events: int, progress: Progress) -> Verified:
    facts = values = 0
    groups: dict[int, set[Group]] = {}
    links: list[tuple[int, int]] = []
    since = _first(connection, "changes_kept")["since"]
    for fold in _company_folds(connection):
        resolved = fold.resolved()
        _verify_company(connection, fold, resolved)
        _verify_changes(connection, fold, since=since)
        facts += sum(filing.fact_count for filing in fold.filings.values())
        values += len(resolved.values)
        groups[fold.company.cik] = fold.company.groups()
        links += ((fold.company.cik, predecessor) for predecessor in fold.links)
        if len(groups) % 10 == 0:
            progress(f"tables: {len(groups)} companies, {facts:,} facts, {values:,} values")
    successors = successors_of(links)
    _verify_no_others(connection, groups.keys())
    _verify_places(connection, groups, successors)
    filings = _first(connection, "counted_filings")
    if filings["counted"] != filings["there"]:
        raise Difference(f"filing_count: {filings['counted']} filings are counted, {filings['there']} are there")
    aggregates, ready = _verify_cells(connection, groups, successors, progress)
    progress("Redis: every fragment")
    fragments = _verify_redis(connection, redis, ready)
    return Verified(
        events=events, companies=len(groups), facts=facts, values=values, aggregates=aggregates, fragments=fragments
    )


def _company_folds(connection: psycopg.Connection) -> Iterator[CompanyFold]:
    key = live_version(connection, "figures").key
    parked = connection.execute(_SQL["parked"], key).fetchall()
    after = ""
    while True:
        streams = [stream for (stream,) in connection.execute(_SQL["companies_of_log"], {"after": after})]
        if not streams:
            return
        for stream in streams:
            with connection.cursor(row_factory=class_row(RecordedEvent)) as cursor:
                events = cursor.execute(_SQL["events_of_streams"], {**key, "streams": [stream]}).fetchall()
            yield from fold_events(events, parked=parked).values()
        after = streams[-1]


def _verify_no_others(connection: psycopg.Connection, expected: Set[int]) -> None:
    found = {cik for (cik,) in connection.execute(_SQL["company_ciks"])}
    if found != expected:
        raise Difference(f"company: CIK {min(found ^ expected)} is in the table or the log, but not in both")
    for table, columns in columns_of(connection, live_version(connection, "figures")).items():
        # A link may be folded before the company it leads from; where links lead is compared whole.
        if "cik" in columns and table != "company_successor":
            stranger = connection.execute(sql.SQL(_STRANGER).format(table=sql.Identifier(table))).fetchone()
            if stranger:
                raise Difference(f"{table} of {stranger[0]}: the log knows no such company")


def _verify_places(
    connection: psycopg.Connection, groups: Mapping[int, Set[Group]], successors: Mapping[int, Set[int]]
) -> None:
    there = set[Group]().union(*groups.values())
    _same_rows("company_group", set(connection.execute(_SQL["all_groups"])), there)
    lines = {(cik, successor) for cik, ahead in successors.items() for successor in ahead}
    _same_rows("company_successor", set(connection.execute(_SQL["successors"])), lines)


def _verify_company(connection: psycopg.Connection, fold: CompanyFold, resolved: Resolved) -> None:
    cik = fold.company.cik
    company = fold.company
    expected = {
        "cik": cik,
        "name": display_name(company.name_as_filed),
        "name_as_filed": company.name_as_filed,
        "sic": company.sic,
        "sector": sector_of(company.sic),
        "industry": company.sic,
        "country": company.country,
        "size_class": company.size_class,
        "tickers": company.tickers,
        "latest_fiscal_year_end": fold.latest_fiscal_year_end,
    }
    _same(f"company {cik}", _first(connection, "company", {"cik": cik}), expected)
    parameters = {"cik": cik}
    _verify_histories(connection, company)
    filings = {
        (
            row.accession, row.form, row.filed_on, row.accepted_at, row.known_at, row.withdrawn_at, row.period_end,
            row.year_end, row.source, row.fact_count, row.position,
        )
        for row in fold.filings.values()
    }  # fmt: skip
    _same_rows(f"filing of {cik}", set(connection.execute(_SQL["filings"], parameters)), filings)
    facts = {(*row[:5], Decimal(row[5]), duration_days(row[2], row[3])) for row in fold.fact_rows()}
    _same_rows(f"fact of {cik}", set(connection.execute(_SQL["facts"], parameters)), facts)
    values = set(map(version_of_row, connection.execute(_SQL["values"], parameters)))
    _same_rows(f"metric_value of {cik}", values, set(resolved.values))
    checks = {(cik, *msgspec.structs.astuple(check)) for check in resolved.checks}
    _same_rows(f"filing_check of {cik}", set(connection.execute(_SQL["checks"], parameters)), checks)
    splits = {msgspec.structs.astuple(split) for split in fold.splits()}
    _same_rows(f"company_split of {cik}", set(connection.execute(_SQL["splits"], parameters)), splits)
    links = set(fold.links.items())
    _same_rows(f"company_link of {cik}", set(connection.execute(_SQL["links"], parameters)), links)
    acceptances = set(fold.acceptances.items())
    _same_rows(f"acceptance of {cik}", set(connection.execute(_SQL["acceptances"], parameters)), acceptances)
    _same_rows(f"group_member of {cik}", set(connection.execute(_SQL["groups"], parameters)), company.groups())


def _verify_changes(connection: psycopg.Connection, fold: CompanyFold, *, since: int) -> None:
    """What is told of a company, `since` the position behind which changes are kept."""
    cik = fold.company.cik
    with connection.cursor(row_factory=class_row(Change)) as cursor:
        found = set(cursor.execute(_SQL["changes"], {"cik": cik, "since": since}))
    _same_rows(f"change of {cik}", found, {change for change in fold.changes if change.position > since})


def _verify_histories(connection: psycopg.Connection, company: CompanyRow) -> None:
    cik = company.cik
    former = {(filed, display_name(filed), until) for filed, until in company.former_names.items()}
    found = set(connection.execute(_SQL["former_names"], {"cik": cik}))
    _same_rows(f"company_former_name of {cik}", found, former)
    ends = [*(row.valid_from for row in company.classifications[1:]), None]
    history = {
        (None if row.valid_from == BEGINNING else row.valid_from, valid_to, *row.said().values())
        for row, valid_to in zip(company.classifications, ends, strict=True)
    }
    found = set(connection.execute(_SQL["classifications"], {"cik": cik}))
    _same_rows(f"company_classification of {cik}", found, history)


def _verify_cells(
    connection: psycopg.Connection,
    groups: Mapping[int, Set[Group]],
    successors: Mapping[int, Set[int]],
    progress: Progress,
) -> tuple[int, list[StoredAggregate]]:
    """
    How many aggregates there are, and those Redis holds ready.

    They are worked out from the values in the table, which have been found by now to be those of the log.
    """
    ready: list[StoredAggregate] = []
    count = 0
    tables = [
        _by_cell(connection, "current_values", namedtuple_row),
        _by_cell(connection, "frames", namedtuple_row),
        _by_cell(connection, "aggregates", class_row(CountedAggregate)),
    ]
    for number, (cell, (values, frame_rows, aggregates)) in enumerate(_side_by_side(tables)):
        if number % _CELLS_TOLD == 0:
            progress(f"aggregates: every group anew, {count:,} so far")
        versions = ((row.cik, [version_of_row(row[1:])]) for row in values)
        frame = frames_of(versions, successors=successors).get(cell, {})
        _verify_frame(cell, frame_rows, frame)
        found = {(row.metric, row.period, row.group_by, row.group_key): row for row in aggregates}
        expected = aggregates_of(cell, frame, groups)
        for key in sorted(expected.keys() | found.keys()):
            _same(f"group_aggregate {key}", found.get(key), expected.get(key))
        count += len(aggregates)
        if is_held_ready(cell[1]):
            ready += aggregates
    return count, ready


def _verify_frame(cell: Cell, rows: Iterable[Any], frame: Frame) -> None:
    found = {
        (
            row.cik, row.value, row.period_start, row.period_end, row.accession, row.known_from, tuple(row.flags),
            row.numerator, row.denominator,
        )
        for row in rows
    }  # fmt: skip
    expected = {
        (
            cik, value.value, value.period_start, value.period_end, value.accession, value.known_from, value.flags,
            value.numerator, value.denominator,
        )
        for cik, value in frame.items()
    }  # fmt: skip
    _same_rows(f"frame_value {cell}", found, expected)


def _by_cell(
    connection: psycopg.Connection, name: str, row_factory: RowFactory[Any]
) -> Iterator[tuple[Cell, list[Any]]]:
    """The rows of each cell of a table, in the order of cells. All of them need not fit in memory."""
    with connection.cursor(name, row_factory=row_factory) as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        for cell, rows in groupby(cursor.execute(_SQL[name]), lambda row: (row.metric, row.period)):
            yield cell, list(rows)


def _side_by_side(tables: Sequence[Iterator[tuple[Cell, list[Any]]]]) -> Iterator[tuple[Cell, list[list[Any]]]]:
    """Each cell with what every table has of it."""
    numbered = [zip(repeat(number), table) for number, table in enumerate(tables)]
    for cell, found in groupby(heapq.merge(*numbered, key=_cell_of), key=_cell_of):
        rows_by_table = {number: rows for number, (_, rows) in found}
        yield cell, [rows_by_table.get(number, []) for number in range(len(tables))]


def _cell_of(numbered: tuple[int, tuple[Cell, list[Any]]]) -> Cell:
    return numbered[1][0]


def _verify_redis(connection: psycopg.Connection, redis: Redis, ready: list[StoredAggregate]) -> int:
    freshness = _first(connection, "freshness")
    epoch = number_of(redis.get(EPOCH_KEY))
    if epoch is None:
        raise Difference("redis: holds nothing; the worker fills it within seconds, or start one")
    seq: Any = redis.get(seq_key(epoch))
    if number_of(seq) != freshness["seq"]:
        raise Difference(f"redis: stands at refresh {seq!r}, the tables at {freshness['seq']}")
    meta: Any = redis.get(meta_key(epoch))
    _same("redis: meta", meta, freshness_text(freshness).encode())
    names: dict[int, str] = dict(connection.execute(_SQL["names"]).fetchall())
    ready.sort(key=lambda row: (row.metric, row.group_by, row.period))
    expected = {
        fragment_key(epoch, *key).encode(): render_fragment([public_row(row, names) for row in group])
        for key, group in groupby(ready, lambda row: (row.metric, row.group_by, row.period))
    }
    found = set(redis.scan_iter(f"{PREFIX}:{epoch}:agg:*", count=1_000))
    if found != expected.keys():
        raise Difference(f"redis: key {min(found ^ expected.keys())!r} is there or due, but not both")
    for key, wanted in expected.items():
        held: Any = redis.get(key)
        if held != wanted:
            raise Difference(f"redis: {key.decode()} is not what the table gives")
    return len(expected)


def _same(place: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise Difference(f"{place}: the table holds {found!r}, a plain fold of the log gives {expected!r}")


def _same_rows(place: str, found: set[Any], expected: set[Any]) -> None:
    if found != expected:
        unexpected, missing = sorted(found - expected, key=str), sorted(expected - found, key=str)
        raise Difference(
            f"{place}: the table holds {unexpected[:1] or 'no row'} where a plain fold of the log gives "
            f"{missing[:1] or 'no row'} ({len(unexpected)} unexpected, {len(missing)} missing)"
        )
