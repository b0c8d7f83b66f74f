"""
Note [Redis never goes back], tried in every interleaving.

Refreshes, two followers, and one or two of: FLUSHALL, a fail-over to a replica that lags behind, a follower that
loses its lock (and so its right to load) while it goes on writing. Two fragments stand for all: the first refresh
writes both, the second changes one, the third the other.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.models.explorer import CounterExample, Explored, Step, explore

CHANGED_BY = {1: (0, 1), 2: (0,), 3: (1,)}
FRAGMENTS = (0, 1)


def tables(seq: int) -> tuple[int, ...]:
    """What each fragment holds after a refresh: the refresh that changed it last."""
    return tuple(
        max(refresh for refresh, changed in CHANGED_BY.items() if fragment in changed and refresh <= seq)
        for fragment in FRAGMENTS
    )


class Epoch(NamedTuple):
    seq: int | None = None
    fragments: tuple[int | None, ...] = (None,) * len(FRAGMENTS)
    written: int = 0


class Memory(NamedTuple):
    """What a Redis holds."""

    pointer: int | None = None
    counter: int = 0
    epochs: frozenset[tuple[int, Epoch]] = frozenset()

    def epoch(self, number: int | None) -> Epoch:
        return dict(self.epochs).get(number, Epoch()) if number is not None else Epoch()

    def holding(self, number: int, epoch: Epoch) -> "Memory":
        return self._replace(epochs=frozenset({**dict(self.epochs), number: epoch}.items()))


class Follower(NamedTuple):
    """What a `follow` is about to do, what it found in Redis, the refresh of its snapshot, the epoch it fills."""

    doing: str = "rests"
    found: tuple[int | None, int | None] = (None, None)
    seq: int = 0
    epoch: int = 0


class State(NamedTuple):
    followers: tuple[Follower, ...] = (Follower(), Follower())
    seq: int = 1
    loader: int | None = None
    redis: Memory = Memory()
    replica: Memory = Memory()
    last_epoch: int = 0
    flushes: int = 0
    fail_overs: int = 0
    lock_losses: int = 0
    went_back: bool = False


class Design(NamedTuple):
    """Our code; each test of a broken variant turns one of these off."""

    asks_before_snapshot: bool = True
    compares: bool = True
    needs_base: bool = True
    epochs_are_new: bool = True
    counts: bool = True
    switch_compares: bool = True
    drop_compares: bool = True


def served(memory: Memory) -> tuple[int | None, int | None]:
    """The epoch and the refresh a reader is told of."""
    return memory.pointer, memory.epoch(memory.pointer).seq


def steps(state: State, design: Design) -> Iterator[Step[State]]:
    if state.seq < max(CHANGED_BY):
        yield Step(f"refresh {state.seq + 1} commits", state._replace(seq=state.seq + 1))
    if state.flushes:
        yield Step("FLUSHALL", state._replace(redis=Memory(), replica=Memory(), flushes=state.flushes - 1))
    if state.fail_overs and state.replica != state.redis:
        yield Step("the replica catches up", state._replace(replica=state.redis))
        yield Step("the replica takes over", state._replace(redis=state.replica, fail_overs=state.fail_overs - 1))
    if state.lock_losses and state.loader is not None:
        yield Step("the loader loses its lock", state._replace(loader=None, lock_losses=state.lock_losses - 1))
    for number, follower in enumerate(state.followers):
        for name, new, changes in _follower_steps(state, design, number, follower):
            followers = (*state.followers[:number], new, *state.followers[number + 1 :])
            after = state._replace(followers=followers, **changes)
            _, before_seq = served(state.redis)
            after_epoch, after_seq = served(after.redis)
            # Only FLUSHALL and fail-overs take Redis back; a follower never does, in an epoch or by a switch.
            if before_seq is not None and after_epoch is not None and (after_seq or 0) < before_seq:
                after = after._replace(went_back=True)
            yield Step(f"follower {number} {name}", after)


def _follower_steps(
    state: State, design: Design, number: int, follower: Follower
) -> Iterator[tuple[str, Follower, dict[str, Any]]]:
    redis = state.redis
    asks = Follower("asks") if design.asks_before_snapshot else Follower("takes its snapshot")
    rests = Follower()
    match follower.doing:
        case "rests":
            # The sweeper follows for ever; where it would find nothing to do it is left out.
            if served(redis)[1] != state.seq:
                yield "begins", asks, {}
        case "asks":
            found = served(redis)
            if design.asks_before_snapshot:
                yield f"finds {found}", Follower("takes its snapshot", found), {}
            else:
                yield f"finds {found}", follower._replace(doing="decides", found=found), {}
        case "takes its snapshot":
            doing = "decides" if design.asks_before_snapshot else "asks"
            yield f"sees refresh {state.seq}", follower._replace(doing=doing, seq=state.seq), {}
        case "decides":
            _, held = follower.found
            if held == follower.seq:
                yield "sees nothing new", rests, {}
            elif held is not None and held < follower.seq:
                yield "changes in place", follower._replace(doing="changes"), {}
            # An epoch is loaded where none was found or the tables are behind it, and where the changes are many.
            if held != follower.seq:
                if state.loader is None:
                    yield "becomes the loader", follower._replace(doing="begins an epoch"), {"loader": number}
                else:
                    yield "leaves it to the loader", rests, {}
        case "changes":
            epoch, base = follower.found
            assert epoch is not None
            assert base is not None
            held = redis.epoch(epoch).seq
            refused = redis.pointer != epoch or held is None or (design.needs_base and held < base)
            if not design.needs_base:
                refused = redis.pointer != epoch
            if design.compares and (refused or (held is not None and held >= follower.seq)):
                yield "is refused", asks, {}
            else:
                new = tables(follower.seq)
                changed = {
                    fragment for refresh in range(base + 1, follower.seq + 1) for fragment in CHANGED_BY[refresh]
                }
                fragments = tuple(
                    new[fragment] if fragment in changed else kept
                    for fragment, kept in enumerate(redis.epoch(epoch).fragments)
                )
                written = redis.holding(epoch, redis.epoch(epoch)._replace(seq=follower.seq, fragments=fragments))
                yield f"writes refresh {follower.seq}", rests, {"redis": written}
        case "begins an epoch":
            epoch = state.last_epoch + 1 if design.epochs_are_new else redis.counter + 1
            changes = {"redis": redis._replace(counter=epoch), "last_epoch": max(epoch, state.last_epoch)}
            yield f"begins epoch {epoch}", follower._replace(doing="fills 0", epoch=epoch), changes
        case "fills 0" | "fills 1":
            fragment = int(follower.doing[-1])
            filled = redis.epoch(follower.epoch)
            values = list(filled.fragments)
            values[fragment] = tables(follower.seq)[fragment]
            written = redis.holding(
                follower.epoch, filled._replace(fragments=tuple(values), written=filled.written + 1)
            )
            doing = "fills 1" if fragment == 0 else "switches"
            yield f"fills fragment {fragment}", follower._replace(doing=doing), {"redis": written}
        case "switches":
            filled = redis.epoch(follower.epoch)
            complete = not design.counts or filled.written == len(FRAGMENTS)
            unmoved = not design.switch_compares or served(redis) == follower.found
            if complete and unmoved:
                written = redis.holding(follower.epoch, filled._replace(seq=follower.seq, written=0))
                switched = written._replace(pointer=follower.epoch)
                yield "switches", follower._replace(doing="drops"), {"redis": switched}
                if design.switch_compares:
                    yield "switches, hears no answer and tries again", follower, {"redis": switched}
            else:
                yield "may not switch", follower._replace(doing="drops"), {}
        case "drops":
            kept = {
                (at, epoch)
                for at, epoch in redis.epochs
                if at > follower.epoch or at == (redis.pointer if design.drop_compares else follower.epoch)
            }
            dropped = redis._replace(epochs=frozenset(kept))
            yield "drops dead epochs", follower._replace(doing="lets go"), {"redis": dropped}
        case "lets go":
            yield "lets go", asks, {"loader": None if state.loader == number else state.loader}


def never_wrong(state: State) -> bool:
    """What is served is what the tables held at the refresh it names (a fragment that is missing is read there)."""
    _, seq = served(state.redis)
    if state.went_back:
        return False
    if seq is None:
        return True
    fragments = state.redis.epoch(state.redis.pointer).fragments
    return all(found in (None, wanted) for found, wanted in zip(fragments, tables(seq), strict=True))


def converged(state: State) -> bool:
    """All of the newest refresh is there."""
    epoch, seq = served(state.redis)
    return seq == state.seq and state.redis.epoch(epoch).fragments == tables(state.seq)


def clean(state: State) -> bool:
    """Nothing is left of other epochs."""
    return {number for number, _ in state.redis.epochs} == {state.redis.pointer}


def try_all(start: State, design: Design) -> Explored:
    # A fail-over may bring dead epochs back, which the next new epoch drops.
    return explore(
        start,
        partial(steps, design=design),
        always=never_wrong,
        at_rest=lambda state: converged(state) and (start.fail_overs or clean(state)),
    )


def loaded(seq: int) -> Memory:
    """A Redis that holds all of a refresh."""
    return Memory(pointer=1, counter=1, epochs=frozenset({(1, Epoch(seq, tables(seq)))}))


CALM = State()
FLUSH = State(flushes=1)
LOST_LOCK = State(lock_losses=1)
FAIL_OVER_OF_ONE = State(fail_overs=1, followers=(Follower(),), redis=loaded(1), replica=loaded(1), last_epoch=1)
FAIL_OVER_OF_TWO = State(fail_overs=1, seq=3, redis=loaded(2), replica=loaded(1), last_epoch=1)


class TestRedisViews:
    @pytest.mark.parametrize(
        "start",
        [CALM, FLUSH, LOST_LOCK, FAIL_OVER_OF_ONE, FAIL_OVER_OF_TWO],
        ids=["calm", "FLUSHALL", "lock lost", "fail-over", "fail-over of two"],
    )
    def test_are_never_wrong_never_go_back_and_converge(self, start: State) -> None:
        found = try_all(start, Design())

        assert found.ends

    @pytest.mark.parametrize(
        ("broken", "start"),
        [
            (Design(compares=False), CALM),
            (Design(asks_before_snapshot=False), CALM),
            (Design(needs_base=False), FAIL_OVER_OF_ONE),
            (Design(epochs_are_new=False), FLUSH),
            (Design(counts=False), FLUSH),
            (Design(switch_compares=False), LOST_LOCK),
            (Design(drop_compares=False), FAIL_OVER_OF_ONE),
        ],
        ids=[
            "set without compare",
            "a snapshot older than what was found",
            "changes without their base",
            "numbers used again after FLUSHALL",
            "fragments not counted",
            "pointer set without compare",
            "older epochs dropped whatever is live",
        ],
    )
    def test_would_be_wrong_or_go_back(self, broken: Design, start: State) -> None:
        with pytest.raises(CounterExample):
            try_all(start, broken)
