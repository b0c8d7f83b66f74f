"""What is said of groups as of an earlier instant is what was said of them then."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import batched, groupby
from random import Random
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis

from commands.companies.reclassify_company import ReclassifyCompany
from commands.dispatch import dispatch_many
from commands.errors import CommandError
from commands.filings.report_filing import ReportFiling
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from projections.sweeper import drain
from queries.metrics.groupings import GROUPINGS
from queries.metrics.periods import known_at
from tests.factories import duration, register_company, report_filing
from tests.oracle.comparison import NOW
from tests.oracle.subjects import sample_subjects

CIKS = tuple(range(101, 108))
FRAMES = [("revenue", "CY2021"), ("gross_margin", "CY2021"), ("revenue_growth_yoy", "CY2022")]
BANK, *INDUSTRIES = SICS = ("6021", "3571", "3572", "7372")
QUESTIONS = [
    *(f"/v1/aggregates?metric=gross_margin&group_by={group_by}&last=12" for group_by in GROUPINGS),
    "/v1/aggregates?metric=revenue&group_by=sector&last=12",
    "/v1/aggregates?metric=revenue_growth_yoy&group_by=country&last=12",
    *(f"/v1/frames/{metric}/{period}?sort=value" for metric, period in FRAMES),
    *(f"/v1/rankings?metric={metric}&period={period}" for metric, period in FRAMES),
    *(f"/v1/frames/revenue/CY2021?group_by=industry&group={sic}" for sic in SICS[:2]),
    *(f"/v1/rankings?metric=revenue&period=CY2021&group_by=industry&group={sic}" for sic in SICS[:2]),
    *(f"/v1/companies/{cik}/standing?metrics=revenue,gross_margin,revenue_growth_yoy" for cik in CIKS[:4]),
    *(f"/v1/companies/{cik}/peers?by=sector&size_metric=gross_profit" for cik in CIKS[:4]),
    "/v1/companies/102/peers?by=sector&size_metric=gross_margin&period=CY2021",
    "/v1/screen?where=gross_margin>-9&where=revenue.rank(sector)<=3&where=sector!=finance&columns=gross_margin",
    "/v1/screen?where=industry in 6021,7372&where=revenue@CY2021.percentile(industry)>0&columns=gross_margin@CY2021",
]

ASML, SHOPIFY, VERTIV, ZSCALER = 937966, 1594805, 1674101, 1713683
QUESTIONS_ON_REAL_FILINGS = [
    f"/v1/aggregates?metric={metric}&group_by={group_by}&{periods}"
    for metric in ("revenue", "net_margin")
    for group_by in ("sector", "industry")
    for periods in ("last=12", "period=CY2024Q2")
]

Step = tuple[str, int, int, int]


def make_history(seed: int, *, length: int) -> list[Step]:
    """
    A company that becomes a bank and is none again, then anything.

    Nobody ends as a bank that was none: what makes no sense for a company today has no value of before either.
    """
    random = Random(seed)
    kinds = ["report", "amend", "withdraw", "move"]
    drawn = [
        (kind, random.choice(CIKS), random.choice((2021, 2022)), random.randint(-300, 900))
        for kind in random.sample(kinds, k=4) + random.choices(kinds, k=length - 4)
    ]
    return [("turn", 102, 2021, 0), ("move", 102, 2021, 1), *drawn]


def commands_of(step: Step, *, number: int) -> list[Command]:
    # The log dates a reclassification by the clock; so what is filed becomes known by it as well.
    kind, cik, year, amount = step
    at = datetime.now(UTC)
    if kind in ("move", "turn"):
        sic = BANK if kind == "turn" else INDUSTRIES[amount % 3]
        return [ReclassifyCompany(cik=cik, sic=sic, country=("US", "CA")[amount % 2], size_class="accelerated")]
    if kind == "withdraw":
        first = f"{cik:010d}-23-000000"
        return [WithdrawFiling(cik=cik, accession=first, reason="in error", withdrawn_at=at)]
    amounts = {"Revenues": amount + 1000, "GrossProfit": amount, "NetIncomeLoss": amount // 2}
    facts = tuple(
        duration(f"us-gaap:{concept}", f"{of}-01-01", f"{of}-12-31", str(value + of - year))
        for of in (year, year - 1)
        for concept, value in amounts.items()
    )
    form = "10-K/A" if kind == "amend" else "10-K"
    accession = f"{cik:010d}-23-{number:06d}"
    return [report_filing(cik=cik, accession=accession, form=form, filed_on=at.date(), accepted_at=at, facts=facts)]


class TestAsOf:
    @pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8))])
    def test_an_instant_shows_the_groups_as_they_were_then(
        self, connection: psycopg.Connection, redis: Redis, seed: int
    ) -> None:
        history = make_history(seed, length=4 if seed == 1 else 8)

        async def compare(ask: Callable[..., Awaitable[Any]]) -> None:
            told: list[tuple[datetime, list[Any]]] = []
            step: list[Command] = [
                register_company(cik=cik, sic=SICS[cik % 4], size_class="non_accelerated") for cik in CIKS
            ]
            for cik in CIKS:
                step += commands_of(("report", cik, 2021, cik), number=0)
            for number, following in enumerate(history, start=1):
                outcomes = dispatch_many(connection, step, now=datetime.now(UTC))
                assert not [outcome for outcome in outcomes if isinstance(outcome, CommandError)]
                drain(connection, redis)
                told.append((datetime.now(UTC), [await ask(question) for question in QUESTIONS]))
                step = commands_of(following, number=number)
            dispatch_many(connection, step, now=datetime.now(UTC))
            drain(connection, redis)

            for then, answers in told:
                assert answers[0][0], "nothing was said then"
                for question, answer in zip(QUESTIONS, answers, strict=True):
                    assert await ask(question, as_of=then.isoformat()) == answer, (question, then)

        with asyncio.Runner() as runner:
            runner.run(_asking(compare))


class TestAsOfWithRealFilings:
    @pytest.mark.parametrize("few", [25, pytest.param(4, marks=pytest.mark.slow)])
    def test_an_instant_shows_the_groups_as_they_were_when_the_filings_before_it_were_in(
        self, connection: psycopg.Connection, redis: Redis, few: int
    ) -> None:
        subjects = list(sample_subjects(ciks=frozenset({ASML, SHOPIFY, VERTIV, ZSCALER})))
        filings = [filing for subject in subjects for filing in subject.filings]
        filings.sort(key=known)
        together = [(instant, list(at_once)) for instant, at_once in groupby(filings, key=known)]

        async def compare(ask: Callable[..., Awaitable[Any]]) -> None:
            told: list[tuple[datetime, list[Any]]] = []
            dispatch_many(connection, [subject.company for subject in subjects], now=NOW)
            for following in batched(together, few):
                step = [filing for _, at_once in following for filing in at_once]
                outcomes = dispatch_many(connection, step, now=NOW)
                assert not [outcome for outcome in outcomes if isinstance(outcome, CommandError)]
                drain(connection, redis)
                told.append((following[-1][0], [await ask(question) for question in QUESTIONS_ON_REAL_FILINGS]))

            for place, question in enumerate(QUESTIONS_ON_REAL_FILINGS):
                assert len({str(answers[place]) for _, answers in told}) > 1, f"never a new answer to {question}"
            for then, answers in told:
                for question, answer in zip(QUESTIONS_ON_REAL_FILINGS, answers, strict=True):
                    assert await ask(question, as_of=then.isoformat()) == answer, (question, then)

        with asyncio.Runner() as runner:
            runner.run(_asking(compare))


def known(filing: ReportFiling) -> datetime:
    return known_at(filing.filed_on, filing.accepted_at)


async def _asking(compare: Callable[[Callable[..., Awaitable[Any]]], Awaitable[None]]) -> None:
    from tests.fixtures.read_api import asgi_client, running_read_api

    async def ask(question: str, **asked: str) -> tuple[list[dict[str, Any]], Any]:
        answer = await client.get(httpx.URL(question).copy_merge_params({**asked, "numbers": "text"}))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert {row["members"] for row in told["data"]} <= {"then" if asked else "today"}
        return [{**row, "members": None} for row in told["data"]], told["meta"].get("screen")

    async with running_read_api() as app, asgi_client(app) as client:
        await compare(ask)
