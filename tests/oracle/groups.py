"""
Compares `/v1/aggregates` with what comes out when the exported frames are grouped and counted once more.

    python -m tests.oracle.groups [FOLDER]
    python -m tests.oracle.groups --api URL

FOLDER holds real data, as FACTFOLD_REAL_DATA does; without either the bundled sample is taken. An installation of its
own is started and loaded, or one that is at rest is asked. All is read over REST: frames and companies (with their
groups) as CSV, aggregates as JSON. The counting is plain SQL (groups.sql) over these files in a PostgreSQL of its own;
it shares no function and no table with ours. Prints what was compared and exits with 1 at the first difference.
"""

import argparse
import csv
import io
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from commands.sql import load_statements
from config.embedded.postgres import EmbeddedPostgres
from queries.metrics.groupings import GROUPINGS
from tests.fixtures.running_installation import RunningInstallation

ROOT = Path(__file__).parent.parent.parent
SOME_SKIPPED = 1
"""The exit code of an ingest that left something out, and took the rest."""

_SQL = load_statements("tests.oracle", "groups.sql")

SPANS = (
    "revenue", "net_income", "capex", "ebitda", "operating_margin", "net_margin", "revenue_growth_yoy", "roe",
    "eps_diluted", "shares_diluted", "days_inventory",
)  # fmt: skip
INSTANTS = ("total_assets", "shares_outstanding", "current_ratio", "debt_to_equity")
"""Amounts, ratios, growth rates, per-share figures, counts and days."""

CELLS: tuple[tuple[str, str], ...] = (
    *product(SPANS, ("CY2008", "CY2009", "CY2009Q2", "CY2010Q1", "CY2010Q1TTM", "CY2023", "CY2024Q3", "CY2024Q3TTM")),
    *product(INSTANTS, ("CY2009Q2I", "CY2010Q1I", "CY2023Q4I")),
)
LEAST_CELLS = 20
"""So many cells must have had members, or nothing was shown."""

SHOWN = ("unit", "n", "sum", "mean", "min", "p10", "p25", "median", "p75", "p90", "max", "top", "bottom")
SOURCES = (
    ("fsds", ("fsds/2009q3.zip", "fsds/2010q2.zip")),
    ("companyfacts", ("companyfacts", "companyfacts_trimmed")),
    ("submissions", ("submissions",)),
    ("classifications", ("tickers",)),
)


class Quotient(NamedTuple):
    """The two metrics a ratio is made of; of a growth rate the divisor is of a year before, and 1 is taken off."""

    above: str
    below: str
    is_growth: bool = False


QUOTIENTS = {
    "net_margin": Quotient("net_income", "revenue"),
    "operating_margin": Quotient("operating_income", "revenue"),
    "revenue_growth_yoy": Quotient("revenue", "revenue", is_growth=True),
    "current_ratio": Quotient("current_assets", "current_liabilities"),
    "debt_to_equity": Quotient("total_debt", "equity"),
}


class FiguresDiffer(Exception):
    """A group has another figure than its exported members add up to."""


class FiguresMoved(Exception):
    """Events were folded between two of the answers. Compare an installation at rest."""


@dataclass(slots=True, kw_only=True)
class Compared:
    """How much was held against each other."""

    cells: int = 0
    groups: int = 0
    figures: int = 0
    weighted: int = 0
    weighted_unsure: int = 0

    def __str__(self) -> str:
        return (
            f"{self.cells} cells, {self.groups:,} groups, {self.figures:,} figures and {self.weighted:,} weighted "
            f"ratios are equal; of {self.weighted_unsure:,} more weighted ratios the frames lack a part of a member or "
            "show one recast since"
        )


class Reader:
    """Asks one installation, as long as it stays at one position."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.position: str | None = None

    def ask(self, path: str, **asked: str) -> bytes:
        """This will give the body of an answer."""
        answer = self._client.get(path, params=asked)
        if answer.status_code != 200:
            raise SystemExit(f"{path} {asked}: {answer.status_code} {answer.text}")
        position = answer.headers["x-factfold-position"]
        if position != (self.position or position):
            raise FiguresMoved(f"from position {self.position} to {position}")
        self.position = position
        return answer.content


class Scratch:
    """A database into which exported files go as they are, and where their rows are counted."""

    def __init__(self, connection: psycopg.Connection, reader: Reader) -> None:
        self._connection = connection
        self._reader = reader
        self._frames: set[tuple[str, str]] = set()
        connection.execute(_SQL["make_quotient"])
        self._load("company", reader.ask("/v1/companies.csv"))

    def aggregates(self, metric: str, period: str) -> list[dict[str, Any]]:
        """Every group of a frame."""
        self._export(metric, period)
        self._export(metric, a_year_before(period))
        with self._connection.cursor(row_factory=dict_row) as cursor:
            cell = {"metric": metric, "period": period, "year_before": a_year_before(period)}
            return cursor.execute(_SQL["aggregates"], cell).fetchall()

    def weighted(self, metric: str, period: str) -> dict[tuple[str, str], tuple[Decimal | None, bool]]:
        """Of every group of a ratio that is a quotient: the weighted ratio, and whether it lacks a part of a member."""
        quotient = QUOTIENTS.get(metric)
        if quotient is None:
            return {}
        below_period = a_year_before(period) if quotient.is_growth else period
        self._export(quotient.above, period)
        self._export(quotient.below, below_period)
        cell = {"metric": metric, "period": period, "below_period": below_period, **quotient._asdict()}
        rows = self._connection.execute(_SQL["weighted"], cell).fetchall()
        return {(group_by, group): (value, is_unsure) for group_by, group, value, is_unsure in rows}

    def _export(self, metric: str, period: str) -> None:
        if (metric, period) not in self._frames:
            self._frames.add((metric, period))
            self._load("frame", self._reader.ask(f"/v1/frames/{metric}/{period}.csv"))

    def _load(self, table: str, exported: bytes) -> None:
        names = [sql.Identifier(column) for column in next(csv.reader(io.StringIO(exported.decode())))]
        into, columns = sql.Identifier(table), sql.SQL(", ").join(names)
        texts = sql.SQL(", ").join(sql.SQL("{} text").format(name) for name in names)
        self._connection.execute(sql.SQL("create temporary table if not exists {} ({})").format(into, texts))
        copy = sql.SQL("copy {} ({}) from stdin (format csv, header match)").format(into, columns)
        with self._connection.cursor() as cursor, cursor.copy(copy) as copying:
            copying.write(exported)


def a_year_before(period: str) -> str:
    """The same calendar period of the year before."""
    return f"CY{int(period[2:6]) - 1}{period[6:]}"


def compare_groups(
    reader: Reader,
    connection: psycopg.Connection,
    *,
    cells: Sequence[tuple[str, str]] = CELLS,
    say: Callable[[str], None] = lambda text: None,
) -> Compared:
    """
    This will compare every group of some cells in every grouping, counting in a session of any database.

    Raises:
        FiguresDiffer: one differs.
        FiguresMoved: the installation is not at rest.
    """
    compared = Compared()
    scratch = Scratch(connection, reader)
    for metric, period in cells:
        counted = scratch.aggregates(metric, period)
        if not counted:
            continue
        weighted = scratch.weighted(metric, period)
        for group_by in GROUPINGS:
            ours = {row["group_key"]: row for row in counted if row["group_by"] == group_by}
            for stats in ({}, {"stats": "growth"}):
                asked = {"metric": metric, "group_by": group_by, "period": period, "numbers": "text", **stats}
                theirs = {row["group"]: row for row in json.loads(reader.ask("/v1/aggregates", **asked))["data"]}
                place = " ".join((metric, period, "by", group_by, *stats.values()))
                _hold(place, "groups", sorted(theirs), sorted(ours))
                for group, row in ours.items():
                    shown = (*SHOWN, *stats.values())
                    _compare_group(f"{place}, {group}", theirs[group], row, shown=shown)
                    compared.figures += len(shown)
                    value, is_unsure = weighted.get((group_by, group), (None, True))
                    if not is_unsure:
                        _hold(f"{place}, {group}", "weighted", _exact(theirs[group]["weighted"]), value)
            compared.groups += len(ours)
        compared.cells += 1
        compared.weighted += sum(not is_unsure for _, is_unsure in weighted.values())
        compared.weighted_unsure += sum(is_unsure for _, is_unsure in weighted.values())
        members = next(row["n"] for row in counted if row["group_by"] == "all")
        say(f"{metric} {period}: {members} companies, {len(counted)} groups equal")
    return compared


def _compare_group(place: str, theirs: dict[str, Any], ours: dict[str, Any], *, shown: Sequence[str]) -> None:
    for name in shown:
        told = theirs[name]
        match name:
            case "top" | "bottom":
                _hold(
                    place,
                    name,
                    [(member["company"], member["cik"], _exact(member["value"])) for member in told],
                    [(company, cik, Decimal(value)) for company, cik, value in ours[name]],
                )
            case "unit" | "n":
                _hold(place, name, told, ours[name])
            case _:
                _hold(place, name, _exact(told), ours[name])
    # Whether the definition itself is the one that everybody else means.
    for name, near in zip(("p10", "p25", "median", "p75", "p90"), ours["in_double"], strict=True):
        if abs(float(ours[name]) - near) > 1e-9 * max(abs(float(ours["min"])), abs(float(ours["max"]))):
            raise FiguresDiffer(f"{place}: {name} is {ours[name]}, percentile_cont says {near}")


def _exact(told: str | None) -> Decimal | None:
    return None if told is None else Decimal(told)


def _hold(place: str, what: str, theirs: object, ours: object) -> None:
    if theirs != ours:
        raise FiguresDiffer(f"{place}: {what} is {theirs} in the answer, {ours} from the frame")


@contextmanager
def _another_server(folder: Path) -> Iterator[psycopg.Connection]:
    """A session on a PostgreSQL that knows nothing of ours."""
    postgres = EmbeddedPostgres(folder / "scratch", password=secrets.token_hex(8), durable=False)
    postgres.start()
    try:
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            yield connection
    finally:
        postgres.stop()


@contextmanager
def _loaded(folder: Path, real_data: Path | None) -> Iterator[str]:
    """The address of an installation that has read everything in a folder of real data, or the bundled sample."""
    installation = RunningInstallation(folder / "data", "--port", "0", *(["--empty"] if real_data else []))
    try:
        api_url = installation.wait_until_ready()
        for source, names in SOURCES:
            paths = [str(path) for name in names if real_data and (path := real_data / name).exists()]
            if not paths:
                continue
            command = [sys.executable, str(ROOT / "manage.py"), "ingest", source, *paths, "--wait"]
            print(f"ingest {source} ...", flush=True)
            environ = {**os.environ, "FACTFOLD_DATA": str(folder / "data")}
            if subprocess.run(command, env=environ, stderr=subprocess.DEVNULL, check=False).returncode > SOME_SKIPPED:
                raise SystemExit(f"{source} could not be read")
        yield api_url
    finally:
        installation.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=os.environ.get("FACTFOLD_REAL_DATA"), metavar="FOLDER")
    parser.add_argument("--api", metavar="URL", help="ask this installation, which is at rest")
    options = parser.parse_args()
    if options.folder and not Path(options.folder).is_dir():
        parser.error(f"{options.folder} is no folder")
    with tempfile.TemporaryDirectory(prefix="factfold-groups-") as name, ExitStack() as opened:
        folder = Path(name)
        scratch = opened.enter_context(_another_server(folder))
        real_data = Path(options.folder) if options.folder else None
        api_url = options.api or opened.enter_context(_loaded(folder, real_data))
        with httpx.Client(base_url=api_url, trust_env=False, timeout=60) as client:
            reader = Reader(client)
            try:
                compared = compare_groups(reader, scratch, say=partial(print, flush=True))
            except (FiguresDiffer, FiguresMoved) as difference:
                print(f"DIFFERENT  {difference}", file=sys.stderr)
                return 1
        print(f"position {reader.position}: {compared}")
        if compared.cells < LEAST_CELLS:
            print(f"only {compared.cells} cells have members; {LEAST_CELLS} were wanted", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
