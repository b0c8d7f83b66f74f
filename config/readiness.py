"""When an installation is ready to be asked, and why it is not."""

import msgspec

from config.observation import Observation, RedisSigns
from projections.sweeper import MANY_WAITING
from projections.vital_signs import FiguresSigns, VitalSigns, backlog_of


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps the installation from being ready: what is so, and what to do."""

    reason: str
    message: str
    fix: str


class NotReady(Exception):
    """The installation stands still or cannot be asked; `reasons` say why."""

    code = "not_ready"
    errors = ()
    retry_after_seconds = 2

    def __init__(self, reasons: list[Reason], *, redis: str) -> None:
        self.reasons = reasons
        self.redis = redis
        self.message = " ".join(reason.message for reason in reasons)
        self.fix = reasons[0].fix
        super().__init__(self.message)


def reasons_against(
    seen: Observation, *, expected: frozenset[str], stall_seconds: float, max_parked_streams: int
) -> list[Reason]:
    """
    This will say why an installation is not ready; an empty list says that it is.

    A Redis that is away is none: readers are answered from the tables. One that stands still is: it shows old figures.
    """
    if seen.signs is None and not seen.missing_tables:
        return [
            Reason(
                reason="database_unreachable",
                message=f"The database does not answer: {seen.failure}",
                fix="Start PostgreSQL, or correct DATABASE_URL.",
            )
        ]
    missing = sorted(expected - set(seen.signs.migrations)) if seen.signs else sorted(expected)
    if seen.signs is None or missing or seen.signs.figures is None:
        return [
            Reason(
                reason="migrations_missing",
                message=f"The database lacks what this version needs: {', '.join(missing) or 'live figures'}.",
                fix="Run `python3 manage.py migrate`.",
            )
        ]
    return [
        *_paused(seen.signs, max_parked_streams),
        *_standing_still(seen.signs, stall_seconds),
        *_not_shown(seen.signs, seen.signs.figures, seen.redis, stall_seconds),
    ]


def _paused(signs: VitalSigns, max_parked_streams: int) -> list[Reason]:
    live = {(shard.projection, shard.version) for shard in signs.shards if shard.state == "live"}
    return [
        Reason(
            reason="projection_paused",
            message=f"Projection {parked.projection} has stopped: {parked.streams} streams are parked.",
            fix="See why with `manage.py parked`, mend that, and fold them again with `manage.py unpark`.",
        )
        for parked in signs.parked
        if (parked.projection, parked.version) in live and parked.streams >= max_parked_streams
    ]


def _standing_still(signs: VitalSigns, stall_seconds: float) -> list[Reason]:
    reasons: list[Reason] = []
    pending_seconds = signs.pending_seconds or 0.0
    # A transaction that was open for long commits old events; they are no sign of a standstill while others get theirs.
    quiet_seconds = pending_seconds if signs.sequenced_seconds is None else signs.sequenced_seconds
    if min(pending_seconds, quiet_seconds) > stall_seconds:
        reasons.append(
            Reason(
                reason="sequencer_stalled",
                message=f"{signs.pending} events wait for their position, the oldest for {pending_seconds:.0f} s, and"
                f" none was given for {quiet_seconds:.0f} s.",
                fix="See that a worker runs (`python3 manage.py worker`) and what its log says.",
            )
        )
    standing = [
        shard
        for shard in signs.shards
        if shard.state == "live" and shard.lag_events and min(shard.lag_seconds, shard.still_seconds) > stall_seconds
    ]
    for name in sorted({shard.projection for shard in standing}):
        of_it = [shard for shard in standing if shard.projection == name]
        reasons.append(
            Reason(
                reason="projection_stalled",
                message=f"Projection {name} stands still in shard {', '.join(str(shard.shard) for shard in of_it)}"
                f" with {sum(shard.lag_events for shard in of_it)} events to fold, for"
                f" {max(min(shard.lag_seconds, shard.still_seconds) for shard in of_it):.0f} s.",
                fix="See that a worker, Celery or Lambda runs, what its log says, and what `manage.py status` shows.",
            )
        )
    return reasons


def _not_shown(signs: VitalSigns, figures: FiguresSigns, redis: RedisSigns, stall_seconds: float) -> list[Reason]:
    reasons: list[Reason] = []
    # Under a load figures wait for it, and where everything is worked out anew they may for minutes.
    unread_seconds = min(figures.unread_seconds or 0.0, figures.fresh_seconds)
    refreshing = _is_at_work(figures.refresher_idle_seconds, stall_seconds)
    if unread_seconds > stall_seconds and not refreshing and backlog_of(signs).events < MANY_WAITING:
        reasons.append(
            Reason(
                reason="figures_stalled",
                message=f"{figures.unread_events} events are folded and cannot be read, for {unread_seconds:.0f} s: the"
                f" figures stand at position {figures.position}.",
                fix="See that a worker runs (`python3 manage.py worker`), what its log says, and whether a session that"
                " does nothing holds it up.",
            )
        )
    if redis.behind_seconds > stall_seconds and not _is_at_work(figures.filler_idle_seconds, stall_seconds):
        reasons.append(
            Reason(
                reason="redis_stalled",
                message=f"Redis stands at refresh {redis.seq or 0}, the tables at {figures.seq}, for"
                f" {redis.behind_seconds:.0f} s.",
                fix="See in the worker's log what Redis refuses: it may be out of memory or read-only.",
            )
        )
    return reasons


def _is_at_work(idle_seconds: float | None, stall_seconds: float) -> bool:
    return idle_seconds is not None and idle_seconds <= stall_seconds
