"""
A writer of a soak run: senders of random commands about a few companies.

Each command has a key and is sent again when nothing is heard; some are sent by two at once.
"""

import os
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple

from commands.companies.change_tickers import ChangeTickers
from commands.companies.merge_company import MergeCompany
from commands.companies.reclassify_company import ReclassifyCompany
from commands.companies.record_acceptance import RecordAcceptance
from commands.companies.register_company import RegisterCompany
from commands.companies.rename_company import RenameCompany
from commands.filings.events import ConceptFacts
from commands.filings.report_filing import ReportFiling
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from config.soak.board import Board
from config.soak.client import Client, NoAnswer, Refused, WrongAnswer
from config.soak.ledger import Ledger, read_ledger

_CIKS = range(101, 113)
_FILINGS_OF_ONE = 12
_PAUSE_SECONDS = 0.12
_COMES_AGAIN_SECONDS = 0.1
_ATTEMPTS = 200
_GIVES_UP = 0.02
_ANSWER_IS_LOST = 0.04
_SENDS_AGAIN = 0.7
_SENDS_ANOTHERS = 0.05


class _Sent(NamedTuple):
    """What one of the senders has under way."""

    key: str
    command: Command
    ledger: Ledger


def write(senders: Mapping[str, Path], *, board: Board, address: tuple[str, int], findings: Path, seed: str) -> None:
    """This will have the senders, each with its ledger, send at the same time while the board says so."""
    under_way: dict[str, _Sent] = {}

    def play(name: str, file: Path) -> None:
        try:
            _Sender(name, file, address=address, findings=findings, seed=seed, under_way=under_way).work(board)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    threads = [threading.Thread(target=play, args=sender) for sender in senders.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class _Sender:
    def __init__(
        self,
        name: str,
        file: Path,
        *,
        address: tuple[str, int],
        findings: Path,
        seed: str,
        under_way: dict[str, _Sent],
    ) -> None:
        known = read_ledger(file)
        self._name = name
        self._ledger = Ledger(file)
        self._number = len(known)
        self._random = Random(f"{seed} {name} {len(known)}")  # noqa: S311 (a schedule, not a secret)
        self._unheard = [_Sent(key, sent.command, self._ledger) for key, sent in known.items() if sent.is_unheard]
        self._client = Client(address)
        self._findings = findings
        self._under_way = under_way

    def work(self, board: Board) -> None:
        """This will send commands for ever; what the one before left open is sent again."""
        while True:
            resting = board["resting"]
            board[f"{self._name} rests"] = resting
            if not resting:
                self._send(self._next(board))
            time.sleep(_PAUSE_SECONDS * self._random.random())

    def _next(self, board: Board) -> _Sent:
        anothers: Sequence[_Sent] = [sent for name, sent in self._under_way.copy().items() if name != self._name]
        if anothers and self._random.random() < _SENDS_ANOTHERS:
            sent = self._random.choice(anothers)
            sent.ledger.send_again(sent.key)
            return sent
        if self._unheard and self._random.random() < _SENDS_AGAIN:
            sent = self._unheard.pop()
            sent.ledger.send_again(sent.key)
            return sent
        self._unheard.clear()
        self._number += 1
        key = f"{self._name}-{self._number}".replace(" ", "-")
        sent = _Sent(key, any_command(self._random, self._number), self._ledger)
        sent.ledger.send(key, sent.command)
        self._under_way[self._name] = sent
        return sent

    def _send(self, sent: _Sent) -> None:
        for _ in range(_ATTEMPTS):
            try:
                accepted = self._client.send(sent.command, key=sent.key)
            except Refused as refusal:
                sent.ledger.refuse(sent.key, str(refusal))
                return
            except NoAnswer:
                if self._random.random() < _GIVES_UP:
                    return
                time.sleep(_COMES_AGAIN_SECONDS)
            except WrongAnswer as answer:
                with self._findings.open("a", encoding="utf-8") as file:
                    file.write(f"{answer}\n")
                return
            else:
                if self._random.random() >= _ANSWER_IS_LOST:
                    sent.ledger.accept(sent.key, accepted)
                    return
                if self._random.random() >= _SENDS_AGAIN:
                    return
            sent.ledger.send_again(sent.key)


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
