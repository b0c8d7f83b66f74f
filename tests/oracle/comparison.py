"""What the read tables serve of one company beside what the oracle says."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
from redis import Redis

from commands.companies.register_company import RegisterCompany
from commands.dispatch import dispatch_many
from commands.errors import CommandError
from commands.filings.report_filing import ReportFiling
from commands.filings.withdraw_filing import WithdrawFiling
from projections.sweeper import drain
from queries.metrics.catalogue import load_catalogue
from tests.oracle.copies import Copy
from tests.oracle.resolver import Key, company_splits, company_values

NOW = datetime(2026, 12, 31, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

Answers = dict[Key, tuple[Decimal, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A row of `metric_value`."""

    key: Key
    known_from: datetime
    known_to: datetime | None
    value: Decimal
    unit: str
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure on which table and oracle differ at an instant; None where that side has no value."""

    cik: int
    key: Key
    as_of: datetime
    oracle: tuple[Decimal, str] | None
    table: tuple[Decimal, str] | None
    copies: tuple[Copy, ...]

    def __str__(self) -> str:
        metric, period_type, start, end = self.key
        when = "latest" if self.as_of == LATEST else f"{self.as_of:%Y-%m-%d %H:%M}"
        lines = [
            f"- {metric}, CIK {self.cik}, {period_type} {start or ''}..{end}, as of {when}: "
            f"oracle {_shown(self.oracle)}, table {_shown(self.table)}"
        ]
        lines += [
            f"    {copy.concept} {copy.start or ''}..{copy.end} {copy.value} {copy.unit} "
            f"{copy.form} {copy.accession} known {copy.known_at:%Y-%m-%d %H:%M}"
            for copy in self.copies
        ]
        return "\n".join(lines)


def record(
    connection: psycopg.Connection,
    redis: Redis,
    company: RegisterCompany,
    filings: Iterable[ReportFiling],
    withdrawals: Iterable[WithdrawFiling] = (),
) -> None:
    """This will report filings of a company, withdraw some, and fold all into the tables."""
    commands = [company, *filings, *withdrawals]
    for first in range(0, len(commands), 200):
        refused = [
            outcome
            for outcome in dispatch_many(connection, commands[first : first + 200], now=NOW)
            if isinstance(outcome, CommandError)
        ]
        if refused:
            raise refused[0]
    drain(connection, redis)


def versions_of(connection: psycopg.Connection, *, cik: int) -> list[Version]:
    """This will read every version of every figure of a company from the live tables."""
    rows = connection.execute(
        """
        select metric, period_type, period_start, period_end, known_from, known_to, value, unit, flags
        from figures_v1.metric_value where cik = %s
        """,
        (cik,),
    )
    return [
        Version(
            key=(metric, period_type, start, end),
            known_from=known_from,
            known_to=known_to,
            value=value,
            unit=unit,
            flags=tuple(flags),
        )
        for metric, period_type, start, end, known_from, known_to, value, unit, flags in rows
    ]


def splits_differ(connection: psycopg.Connection, copies: Iterable[Copy], *, cik: int, as_of: datetime) -> str | None:
    """This will compare the splits known at an instant and tell both sides where they differ."""
    rows = connection.execute(
        """
        select filed_from, ratio from figures_v1.company_split
        where cik = %(cik)s and known_from <= %(as_of)s and (known_to is null or known_to > %(as_of)s)
        order by filed_from
        """,
        {"cik": cik, "as_of": as_of},
    ).fetchall()
    table: dict[datetime, Decimal] = dict(rows)
    oracle = company_splits(copies, as_of=as_of)
    return None if table == oracle else f"splits of CIK {cik} as of {as_of}: oracle {oracle}, table {table}"


def served(versions: Iterable[Version], *, as_of: datetime) -> Answers:
    """This will give the figures whose interval holds an instant."""
    return {
        version.key: (version.value, version.unit)
        for version in versions
        if version.known_from <= as_of and (version.known_to is None or version.known_to > as_of)
    }


def differences(
    versions: Sequence[Version], copies: Sequence[Copy], *, cik: int, sic: str | None, as_of: datetime
) -> tuple[list[Difference], int]:
    """This will compare all figures at one instant: what differs, and how many figures either side has."""
    table = served(versions, as_of=as_of)
    oracle = company_values(copies, sic=sic, as_of=as_of)
    keys = table.keys() | oracle.keys()
    found = [
        Difference(
            cik=cik,
            key=key,
            as_of=as_of,
            oracle=oracle.get(key),
            table=table.get(key),
            copies=_involved(key, copies, as_of),
        )
        for key in sorted(keys, key=str)
        if oracle.get(key) != table.get(key)
    ]
    return found, len(keys)


def interesting_instants(copies: Iterable[Copy], *, count: int | None, seed: int) -> list[datetime]:
    """
    This will give so many instants at random, half of them when a filing became known or was withdrawn and half
    between two such; with None every instant at which one did.
    """
    known = sorted({instant for copy in copies for instant in (copy.known_at, copy.withdrawn_at) if instant})
    if count is None:
        return known
    chance = random.Random(seed)
    exact = chance.sample(known, min(count // 2, len(known)))
    within = [
        known[0] + timedelta(seconds=chance.randrange(int((known[-1] - known[0]).total_seconds()) + 1))
        for _ in range(count - len(exact))
    ]
    return sorted([*exact, *within])


def _involved(key: Key, copies: Iterable[Copy], as_of: datetime) -> tuple[Copy, ...]:
    metric, _, _, end = key
    entries = load_catalogue().by_key()
    concepts = set(entries[metric].concepts)
    near = [copy for copy in copies if copy.concept in concepts and copy.known_at <= as_of and _is_near(copy.end, end)]
    return tuple(sorted(near, key=lambda copy: (copy.end, copy.start or copy.end, copy.known_at))[-24:])


def _is_near(one: date, other: date) -> bool:
    return abs((one - other).days) <= 100


def _shown(answer: tuple[Decimal, str] | None) -> str:
    return "nothing" if answer is None else f"{answer[0]:f} {answer[1]}"
