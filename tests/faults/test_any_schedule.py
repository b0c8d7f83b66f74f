"""Any commands, in any schedule of the pipeline's steps, each of which may be cut at any of its statements."""

from datetime import UTC, datetime
from random import Random
from typing import Any

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from redis import Redis

from commands.catalog import COMMANDS
from commands.companies.register_company import RegisterCompany
from commands.dispatch import Accepted, dispatch
from commands.doorbells.memory import MemoryDoorbell
from commands.errors import CommandError
from commands.event_log.sequence import sequence_pending
from commands.publishing import publish_pending
from commands.together import dispatch_together
from commands.working_set import Request
from config.soak.ledger import Sent, check_ledgers
from config.soak.writer import any_command
from projections.aggregates import refresh
from projections.projector import catch_up
from projections.redis_views import follow
from projections.sweeper import drain, lagging_shards, sweep
from projections.verify import verify
from tests.fixtures.clean_database import clean_database
from tests.fixtures.doomed import doomed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CIKS = (101, 102, 103)
cuts = st.one_of(st.just(0), st.integers(1, 12))


class Pipeline(RuleBasedStateMachine):
    """What is done where is chosen; what must hold at rest is always the same."""

    def __init__(self, connection: psycopg.Connection, redis: Redis, *, database_url: str) -> None:
        super().__init__()
        self.connection = connection
        self.redis = redis
        self.database_url = database_url
        self.sent: dict[str, Sent] = {}
        self.doorbell = MemoryDoorbell()
        self.dump: dict[bytes, Any] | None = None

    @initialize()
    def begin(self) -> None:
        clean_database(self.connection)
        self.redis.flushall()
        for cik in CIKS:
            self._send(RegisterCompany(cik=cik, name=f"Company {cik}", sic="3571", country="US", tickers=()), cut=0)

    @rule(randomness=st.randoms(use_true_random=False), count=st.integers(1, 4), cut=cuts)
    def send(self, randomness: Random, count: int, cut: int) -> None:
        for _ in range(count):
            self._send(any_command(randomness, len(self.sent) + 99), cut=cut)

    @rule(randomness=st.randoms(use_true_random=False), count=st.integers(2, 5), again=st.booleans(), cut=cuts)
    def send_together(self, randomness: Random, count: int, again: bool, cut: int) -> None:
        """What comes at the same time shares a transaction; what cannot is sent alone, as its sender would."""
        keys = [f"key-{len(self.sent) + place}" for place in range(count)]
        for key in keys:
            command = any_command(randomness, len(self.sent) + 99)
            self.sent[key] = Sent(command=COMMANDS[type(command).__name__].checked(command))
        if again:
            keys.append(keys[0])
        requests = [Request(command=self.sent[key].command, idempotency_key=key) for key in keys]
        outcomes: list[Accepted | CommandError | None] = []
        with self._cut_at(cut) as connection:
            outcomes = dispatch_together(connection, lambda: requests, now=lambda: NOW)
        for key, outcome in zip(keys, outcomes, strict=False):
            if outcome is None:
                self._attempt(key, self.sent[key], cut=0)
            else:
                self._heard(self.sent[key], outcome)

    @rule(choice=st.integers(0, 99), cut=cuts)
    def send_again(self, choice: int, cut: int) -> None:
        key = list(self.sent)[choice % len(self.sent)]
        before = self.sent[key]
        if not before.is_refused:
            self._attempt(key, before, cut=cut)

    @rule(limit=st.sampled_from([1, 3, 2000]), cut=cuts)
    def place(self, limit: int, cut: int) -> None:
        with self._cut_at(cut) as connection:
            sequence_pending(connection, limit=limit)

    @rule(cut=cuts)
    def ring(self, cut: int) -> None:
        with self._cut_at(cut) as connection:
            publish_pending(connection, self.doorbell)

    @precondition(lambda self: self.doorbell.rung)
    @rule(choice=st.integers(0, 99), keeps=st.booleans(), batch_events=st.sampled_from([1, 2, 1000]), cut=cuts)
    def hear(self, choice: int, keeps: bool, batch_events: int, cut: int) -> None:
        """Any bell, in any order; one that is kept is heard again."""
        place = choice % len(self.doorbell.rung)
        bell = self.doorbell.rung[place]
        if not keeps:
            del self.doorbell.rung[place]
        with self._cut_at(cut) as connection:
            catch_up(connection, projection="figures", shard=bell.shard, to_seq=bell.to_seq, batch_events=batch_events)

    @rule(choice=st.integers(0, 99), cut=cuts)
    def fold_a_shard(self, choice: int, cut: int) -> None:
        if shards := sorted(lagging_shards(self.connection)):
            with self._cut_at(cut) as connection:
                catch_up(connection, projection="figures", shard=shards[choice % len(shards)])

    @rule(cut=cuts)
    def bring_up_to_date(self, cut: int) -> None:
        with self._cut_at(cut) as connection:
            refresh(connection, now=NOW)

    @rule(cut=cuts)
    def tell_redis(self, cut: int) -> None:
        with self._cut_at(cut) as connection:
            follow(connection, self.redis)

    @rule(cut=cuts)
    def sweep_up(self, cut: int) -> None:
        with self._cut_at(cut) as connection:
            sweep(connection, self.redis)

    @rule()
    def empty_redis(self) -> None:
        self.redis.flushall()
        self.dump = None

    @rule()
    def copy_to_replica(self) -> None:
        self.dump = {key: self.redis.dump(key) for key in self.redis.scan_iter()}

    @precondition(lambda self: self.dump is not None)
    @rule()
    def fail_over_to_replica(self) -> None:
        assert self.dump is not None
        self.redis.flushall()
        for key, value in self.dump.items():
            self.redis.restore(key, 0, value)

    @rule()
    def come_to_rest(self) -> None:
        drain(self.connection, self.redis)
        assert self.connection.execute("select error from projections.parked").fetchall() == []
        verify(self.connection, self.redis)
        check_ledgers(self.connection, [self.sent])

    def teardown(self) -> None:
        if self.sent:
            self.come_to_rest()

    def _send(self, command: Any, *, cut: int) -> None:
        key = f"key-{len(self.sent)}"
        self.sent[key] = Sent(command=command)
        self._attempt(key, self.sent[key], cut=cut)

    def _attempt(self, key: str, sent: Sent, *, cut: int) -> None:
        with self._cut_at(cut) as connection:
            try:
                self._heard(sent, dispatch(connection, sent.command, idempotency_key=key, now=NOW))
            except CommandError as refusal:
                self._heard(sent, refusal)

    def _heard(self, sent: Sent, outcome: Accepted | CommandError) -> None:
        if isinstance(outcome, CommandError):
            # A session that was cut is gone, so that what was sent on it before has no effect either.
            sent.refusals = [outcome.code] * sent.sendings
            return
        assert all(answer == outcome for answer in sent.answers)
        sent.answers = [outcome]
        # A refusal leaves the key free, so that who sent the same a moment later may have met another state.
        sent.refusals = []

    def _cut_at(self, cut: int) -> "_Cut":
        return _Cut(self.database_url, killer=self.connection, at=cut)


class _Cut:
    """A session for one step; what it raises because it was cut is nobody's fault."""

    def __init__(self, database_url: str, *, killer: psycopg.Connection, at: int) -> None:
        self._doomed = doomed(database_url, killer=killer, at=at)
        self._at = at

    def __enter__(self) -> psycopg.Connection[Any]:
        return self._doomed.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        try:
            self._doomed.__exit__(kind, error, trace)
        except psycopg.OperationalError:
            return self._at > 0
        return self._at > 0 and isinstance(error, psycopg.OperationalError)


class TestAnySchedule:
    def test_comes_to_rest_with_every_guarantee_kept(
        self, connection: psycopg.Connection, redis: Redis, database_url: str
    ) -> None:
        run_state_machine_as_test(
            lambda: Pipeline(connection, redis, database_url=database_url),  # type: ignore[arg-type]  # its annotation names classes only
            settings=settings(
                max_examples=6,
                stateful_step_count=14,
                derandomize=True,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
