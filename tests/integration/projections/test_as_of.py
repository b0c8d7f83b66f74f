"""What is said today of an earlier instant is what was said then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from commands.dispatch import dispatch_many
from commands.filings.withdraw_filing import WithdrawFiling
from commands.messages import Command
from projections.sweeper import drain
from tests.factories import register_company, report_filing
from tests.fixtures.clean_database import clean_database
from tests.integration.projections.test_figures import facts, one_of_each

NOW = datetime(2026, 1, 1, tzinfo=UTC)

_LATEST = """
select cik, metric, period_type, period, period_start, period_end, duration_days, value, unit, accession, concept
from figures_v1.metric_value where known_to is null
"""
_AS_OF = """
select cik, metric, period_type, period, period_start, period_end, duration_days, value, unit, accession, concept
from figures_v1.metric_value where known_from <= %(at)s and (known_to is null or known_to > %(at)s)
"""

Step = tuple[str, int, int, tuple[Any, ...]]
steps: st.SearchStrategy[Step] = st.tuples(
    st.sampled_from(["10-K", "10-K", "10-K/A", "10-Q", "withdraw"]),
    st.sampled_from([101, 102]),
    st.integers(1, 3),
    st.lists(facts, min_size=2, max_size=8).map(one_of_each),
)


def command_of(step: Step, *, accession: str, at: datetime) -> Command:
    form, cik, _, found = step
    if form == "withdraw":
        return WithdrawFiling(cik=cik, accession=accession, reason="in error", withdrawn_at=at)
    return report_filing(cik=cik, accession=accession, form=form, filed_on=at.date(), accepted_at=at, facts=found)


class TestAsOf:
    @settings(
        max_examples=10, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(history=st.lists(steps, min_size=3, max_size=7))
    def test_an_instant_is_what_was_answered_then_whatever_became_known_later(
        self, connection: psycopg.Connection, redis: Redis, history: list[Step]
    ) -> None:
        clean_database(connection)
        redis.flushall()
        dispatch_many(connection, [register_company(cik=cik) for cik in (101, 102)], now=NOW)
        answered: list[tuple[datetime, set[Any]]] = []

        # Filings are heard of in the order in which they became known; a withdrawal takes the company's first one.
        at = datetime(2022, 1, 3, 17, tzinfo=UTC)
        for number, step in enumerate(history):
            at += timedelta(days=120 * step[2])
            accession = f"{step[1]:010d}-22-{0 if step[0] == 'withdraw' else number:06d}"
            dispatch_many(connection, [command_of(step, accession=accession, at=at)], now=NOW)
            drain(connection, redis)
            answered.append((at, set(connection.execute(_LATEST))))

        for then, told in answered:
            assert set(connection.execute(_AS_OF, {"at": then})) == told
