"""
Note [sequencer order] and Note [append order], tried in every interleaving.

Two writers share a stream, a third has its own; each may also roll back. Two sequencers place what is committed.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.models.explorer import CounterExample, Explored, Step, explore

STREAM_OF = ("shared", "shared", "own")
TRANSACTIONS = (2, 1, 1)


class Event(NamedTuple):
    id: int
    stream: str
    version: int


class Writer(NamedTuple):
    """Between transactions, or in one: holding the stream's lock, an id, an event committed but the lock not let go."""

    left: int
    locked: bool = False
    id: int | None = None
    committed: bool = False


class Sequencer(NamedTuple):
    """Idle, or with the lock, or also with its snapshot: what was pending, and the last position."""

    working: bool = False
    seen: tuple[tuple[Event, ...], int] | None = None


class State(NamedTuple):
    writers: tuple[Writer, ...]
    sequencers: tuple[Sequencer, ...]
    next_id: int = 1
    committed: frozenset[Event] = frozenset()
    pending: frozenset[Event] = frozenset()
    log: frozenset[tuple[int, Event]] = frozenset()


class Design(NamedTuple):
    """What our code does; each test of a broken variant turns one of them off."""

    id_under_lock: bool = True
    snapshot_under_lock: bool = True
    position_is_key: bool = True
    claims_pending: bool = True


START = State(
    writers=tuple(Writer(left) for left in TRANSACTIONS),
    sequencers=(Sequencer(), Sequencer()),
)


def steps(state: State, design: Design) -> Iterator[Step[State]]:
    for number, writer in enumerate(state.writers):
        yield from _writer_steps(state, design, number, writer)
    for number, sequencer in enumerate(state.sequencers):
        yield from _sequencer_steps(state, design, number, sequencer)


def _writer_steps(state: State, design: Design, number: int, writer: Writer) -> Iterator[Step[State]]:
    name = f"writer {number}"
    stream = STREAM_OF[number]

    def becomes(new: Writer, **changes: Any) -> State:
        writers = (*state.writers[:number], new, *state.writers[number + 1 :])
        return state._replace(writers=writers, **changes)

    if writer.committed:
        yield Step(f"{name} lets go of {stream}", becomes(Writer(writer.left - 1)))
        return
    lockable = not any(
        other.locked for other, of in zip(state.writers, STREAM_OF, strict=True) if of == stream and other is not writer
    )
    if writer.left and not writer.locked and lockable and (design.id_under_lock or writer.id is not None):
        yield Step(f"{name} locks {stream}", becomes(writer._replace(locked=True)))
    if writer.left and writer.id is None and (writer.locked or not design.id_under_lock):
        yield Step(
            f"{name} draws id {state.next_id}", becomes(writer._replace(id=state.next_id), next_id=state.next_id + 1)
        )
    if writer.locked and writer.id is not None:
        version = 1 + sum(event.stream == stream for event in state.committed)
        event = Event(writer.id, stream, version)
        yield Step(
            f"{name} commits {event}",
            becomes(
                writer._replace(committed=True), committed=state.committed | {event}, pending=state.pending | {event}
            ),
        )
        yield Step(f"{name} rolls back", becomes(Writer(writer.left - 1)))


def _sequencer_steps(state: State, design: Design, number: int, sequencer: Sequencer) -> Iterator[Step[State]]:
    name = f"sequencer {number}"

    def becomes(new: Sequencer, **changes: Any) -> State:
        sequencers = (*state.sequencers[:number], new, *state.sequencers[number + 1 :])
        return state._replace(sequencers=sequencers, **changes)

    last = max((position for position, _ in state.log), default=0)
    snapshot = tuple(sorted(_claimable(state, design))), last
    alone = not any(other.working for other in state.sequencers if other is not sequencer)
    if not sequencer.working:
        if snapshot[0] and (alone or not design.snapshot_under_lock):
            seen = None if design.snapshot_under_lock else snapshot
            yield Step(f"{name} begins", becomes(Sequencer(working=True, seen=seen)))
        return
    yield Step(f"{name} is killed", becomes(Sequencer()))
    if sequencer.seen is None:
        yield Step(f"{name} takes its snapshot", becomes(sequencer._replace(seen=snapshot)))
        return
    claimed, base = sequencer.seen
    left = [event for event in claimed if event in state.pending]  # what another has deleted is passed over
    placed = {(base + place, event) for place, event in enumerate(left, 1)}
    taken = {position for position, _ in state.log}
    if design.position_is_key and any(position in taken for position, _ in placed):
        yield Step(f"{name} fails on the key", becomes(Sequencer()))
    else:
        yield Step(
            f"{name} commits {sorted(placed)}",
            becomes(Sequencer(), log=state.log | placed, pending=state.pending - {event for _, event in placed}),
        )


def _claimable(state: State, design: Design) -> frozenset[Event]:
    if design.claims_pending:
        return state.pending
    last_id = max((event.id for _, event in state.log), default=0)
    return frozenset(event for event in state.pending if event.id > last_id)


def dense_and_in_order(state: State) -> bool:
    """Positions are 1..N, each for one committed event; along them the versions of a stream rise by one."""
    ordered = [event for _, event in sorted(state.log)]
    if [position for position, _ in sorted(state.log)] != list(range(1, len(ordered) + 1)):
        return False
    if len(set(ordered)) != len(ordered) or not state.committed.issuperset(ordered):
        return False
    return all(
        [event.version for event in ordered if event.stream == stream]
        == list(range(1, 1 + sum(event.stream == stream for event in ordered)))
        for stream in set(STREAM_OF)
    )


def nothing_skipped(state: State) -> bool:
    return {event for _, event in state.log} == state.committed


def try_all(design: Design) -> Explored:
    return explore(START, lambda state: steps(state, design), always=dense_and_in_order, at_rest=nothing_skipped)


class TestSequencer:
    def test_is_dense_skips_nothing_and_swaps_nothing_whoever_comes_first(self) -> None:
        found = try_all(Design())

        assert found.states > 10_000

    @pytest.mark.slow
    def test_is_kept_single_by_the_key_where_two_run_at_once(self) -> None:
        try_all(Design(snapshot_under_lock=False))

    @pytest.mark.parametrize(
        "broken",
        [
            Design(id_under_lock=False),
            Design(snapshot_under_lock=False, position_is_key=False),
            Design(claims_pending=False),
        ],
        ids=["ids drawn before the lock", "two sequencers and no key", "a cursor instead of pending rows"],
    )
    def test_would_skip_or_swap(self, broken: Design) -> None:
        with pytest.raises(CounterExample, match=r"(?s)1\. .*is never allowed"):
            try_all(broken)
