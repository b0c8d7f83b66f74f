"""Every figure the tables serve, at many instants, beside what a second reading of docs/figures.md says."""

from itertools import batched, groupby
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from tests.fixtures.real_data import real_data
from tests.oracle.comparison import (
    LATEST,
    differences,
    interesting_instants,
    record,
    served,
    splits_differ,
    versions_of,
)
from tests.oracle.subjects import Subject, companyfacts_subject, sample_subjects

ASML, COSTCO, JPMORGAN, NIKOLA, SHOPIFY = 937966, 909832, 19617, 1731289, 1594805


def of_sample(cik: int) -> Subject:
    return next(sample_subjects(ciks=frozenset({cik})))


def check(connection: psycopg.Connection, redis: Redis, subject: Subject, *, instants: int | None) -> None:
    """This will fold a company and compare the latest figures and those of so many instants; None for every one."""
    cik = subject.company.cik
    record(connection, redis, subject.company, subject.filings, subject.withdrawals)
    versions = versions_of(connection, cik=cik)
    compared = 0
    for as_of in [LATEST, *interesting_instants(subject.copies, count=instants, seed=cik)]:
        found, figures = differences(versions, subject.copies, cik=cik, sic=subject.company.sic, as_of=as_of)
        compared += figures
        assert not found, f"{len(found)} of {figures} figures differ, the first of them:\n{found[0]}"
        assert not (difference := splits_differ(connection, subject.copies, cik=cik, as_of=as_of)), difference
    assert compared


class TestOracle:
    @pytest.mark.parametrize(
        ("cik", "instants"),
        [
            pytest.param(JPMORGAN, None, id="a bank at every instant"),
            pytest.param(COSTCO, 2, id="quarters of twelve and sixteen weeks", marks=pytest.mark.slow),
            pytest.param(ASML, 3, id="another currency"),
        ],
    )
    def test_agrees_with_the_tables_on_the_sample(
        self, connection: psycopg.Connection, redis: Redis, cik: int, instants: int | None
    ) -> None:
        check(connection, redis, of_sample(cik), instants=instants)

    def test_agrees_with_the_tables_where_filings_were_withdrawn(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        check(connection, redis, of_sample(SHOPIFY).with_some_withdrawn(seed=8), instants=4)

    @pytest.mark.parametrize("name", ["companyfacts/CIK0000865941.asof2017-02-10.json.gz"])
    def test_agrees_with_the_tables_on_whole_files(
        self, connection: psycopg.Connection, redis: Redis, name: str
    ) -> None:
        path: Path = real_data(name)

        check(connection, redis, companyfacts_subject(path), instants=2)


class TestAsOf:
    def test_gives_at_the_end_what_was_answered_after_every_few_filings(
        self, connection: psycopg.Connection, redis: Redis
    ) -> None:
        subject = of_sample(NIKOLA)
        known_at = {copy.accession: copy.known_at for copy in subject.copies}
        in_order = sorted(subject.filings, key=lambda filing: known_at[filing.accession])
        together = [
            (instant, tuple(filings))
            for instant, filings in groupby(in_order, key=lambda filing: known_at[filing.accession])
        ]
        answers = {}
        for few in batched(together, 4):
            record(connection, redis, subject.company, [filing for _, filings in few for filing in filings])
            answers[few[-1][0]] = served(versions_of(connection, cik=NIKOLA), as_of=LATEST)

        versions = versions_of(connection, cik=NIKOLA)

        assert len(answers) > 8
        for instant, answered in answers.items():
            assert served(versions, as_of=instant) == answered, f"as of {instant} answers otherwise than then"
