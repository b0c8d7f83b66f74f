"""A writer of a soak run: random commands about a few companies, each under a key, sent again when nothing is heard."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg

from commands.companies.change_tickers import ChangeTickers
from commands.companies.merge_company import MergeCompany
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.register_company import RegisterCompany
from commands.companies.rename_company import RenameCompany
from commands.dispatch import dispatch
from commands.errors import CommandError
from commands.filings.events import ConceptFacts
from commands.filings.report_filing import ReportFiling
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from config.soak.board import Board
from config.soak.ledger import Ledger, read_ledger

APPLICATION_NAME = "soak writer"

_CIKS = range(101, 113)
_FILINGS_OF_ONE = 12
_PAUSE_SECONDS = 0.01
_RECONNECT_SECONDS = 0.1
_ATTEMPTS = 200
_GIVES_UP = 0.02
_ANSWER_IS_LOST = 0.04
_SENDS_AGAIN = 0.7


def write(name: str, *, board: Board, database_url: str, file: Path, seed: str) -> None:
    """This will send commands while the board says so; what the writer before this one left open is sent again."""
    ledger = Ledger(file)
    known = read_ledger(file)
    random = Random(f"{seed} {name} {len(known)}")  # noqa: S311 (a schedule, not a secret)
    unheard = [(key, sent.command) for key, sent in known.items() if sent.accepted is None and sent.refused is None]
    number = len(known)
    session = _Session(database_url)
    while True:
        board[f"{name} rests"] = board["resting"]
        if board["resting"]:
            time.sleep(_PAUSE_SECONDS)
            continue
        if unheard and random.random() < _SENDS_AGAIN:
            key, command = unheard.pop()
        else:
            number += 1
            key, command = f"{name}-{number}", any_command(random, number)
            ledger.intend(key, command)
            unheard.clear()
        _send(session, ledger, key, command, random)
        time.sleep(_PAUSE_SECONDS * random.random())


def _send(session: "_Session", ledger: Ledger, key: str, command: Command, random: Random) -> None:
    for _ in range(_ATTEMPTS):
        try:
            with session.connection() as connection:
                accepted = dispatch(connection, command, idempotency_key=key, now=datetime.now(UTC))
        except CommandError as refusal:
            ledger.refuse(key, refusal.code)
            return
        except psycopg.OperationalError:
            if random.random() < _GIVES_UP:
                return
            time.sleep(_RECONNECT_SECONDS)
        else:
            if random.random() >= _ANSWER_IS_LOST:
                ledger.accept(key, accepted)
                return
            if random.random() < _SENDS_AGAIN:
                continue
            return


class _Session:
    """One connection, made anew after it was lost."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._connection: psycopg.Connection | None = None

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._database_url, autocommit=True, application_name=APPLICATION_NAME, connect_timeout=5
            )
        yield self._connection


def any_command(random: Random, number: int) -> Command:
    """This will draw a writer's command of that number; the first ones make sure that the companies are registered."""
    if number <= len(_CIKS):
        return RegisterCompany(
            cik=_CIKS[number - 1], name=f"Company {number}", sic=_sic(random), country="US", tickers=()
        )
    cik = random.choice(_CIKS)
    accession = f"{cik:010d}-24-{random.randint(1, _FILINGS_OF_ONE):06d}"
    match random.choices(
        ("report", "register", "withdraw", "rename", "reclassify", "tickers", "accept", "merge"),
        (60, 2, 3, 5, 6, 4, 6, 2),
    )[0]:
        case "register":
            return RegisterCompany(cik=cik, name=f"Company {cik}", sic=_sic(random), country="US", tickers=())
        case "withdraw":
            return WithdrawFiling(cik=cik, accession=accession, reason="filed in error", withdrawn_at=_instant(random))
        case "rename":
            return RenameCompany(cik=cik, name=f"Company {cik} {random.randint(1, 9)}")
        case "reclassify":
            return ReclassifyCompany(cik=cik, sic=_sic(random), country=None)
        case "tickers":
            return ChangeTickers(cik=cik, tickers=(f"T{cik}", f"T{random.randint(1, 9)}"))
        case "accept":
            return RecordAcceptance(cik=cik, filings=((accession, _instant(random)),))
        case "merge":
            return MergeCompany(cik=cik, predecessor_cik=random.choice(_CIKS), effective_on=date(2023, 1, 1))
        case _:
            return ReportFiling(
                cik=cik,
                accession=accession,
                form=random.choice(("10-K", "10-K", "10-K/A", "10-Q")),
                filed_on=_instant(random).date(),
                facts=tuple(_facts(random)),
            )


def _sic(random: Random) -> str | None:
    return random.choice(("3571", "7372", "5411", "2834", None))


def _instant(random: Random) -> datetime:
    return datetime(2023, 6, 1, 17, tzinfo=UTC) + timedelta(days=random.randint(0, 700))


def _facts(random: Random) -> Iterator[ConceptFacts]:
    year = random.randint(2021, 2024)
    for concept in ("us-gaap:Revenues", "us-gaap:NetIncomeLoss", "us-gaap:GrossProfit"):
        if random.random() < 0.8:
            values = ((f"{year}-01-01", f"{year}-12-31", str(random.randint(-50, 500))),)
            yield concept, "USD", values
    for concept in ("us-gaap:Assets", "us-gaap:StockholdersEquity"):
        yield concept, "USD", ((None, f"{year}-12-31", str(random.randint(1, 900))),)
