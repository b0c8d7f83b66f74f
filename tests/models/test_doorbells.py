"""
Note [no lost wake-up], tried in every interleaving: who folds a shard, and who brings the aggregates up to date.

No sweeper runs here, so that whatever is left undone shows.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.models.explorer import CounterExample, Explored, Step, explore

EVENTS = 3
WORKERS = 2


class Worker(NamedTuple):
    """What a `catch_up` is about to do, how far it was asked to come, and what it has read of the log."""

    doing: str = "waits"
    to_seq: int = 0
    read: int = 0
    held: bool = False


class Shard(NamedTuple):
    workers: tuple[Worker, ...] = (Worker(),) * WORKERS
    head: int = 0
    checkpoint: int = 0
    holder: int | None = None
    bells: tuple[int, ...] = ()


class Design(NamedTuple):
    """Our projector, unless a test turns one of these."""

    head_after_release: bool = True
    holder_goes_to_head: bool = True
    batch: int = 2


def shard_steps(state: Shard, design: Design) -> Iterator[Step[Shard]]:
    if state.head < EVENTS:
        head = state.head + 1
        yield Step(f"event {head} is placed, its bell rung", state._replace(head=head, bells=(*state.bells, head)))
    for number, worker in enumerate(state.workers):
        for name, new, changes in _worker_steps(state, design, number, worker):
            workers = (*state.workers[:number], new, *state.workers[number + 1 :])
            yield Step(f"worker {number} {name}", state._replace(workers=workers, **changes))


def _worker_steps(
    state: Shard, design: Design, number: int, worker: Worker
) -> Iterator[tuple[str, Worker, dict[str, Any]]]:
    match worker.doing:
        case "waits":
            for index, bell in enumerate(state.bells):
                bells = (*state.bells[:index], *state.bells[index + 1 :])
                yield f"hears bell {bell}", Worker("asks", to_seq=bell), {"bells": bells}
        case "asks":
            answered = state.checkpoint >= worker.to_seq and not (worker.held and design.holder_goes_to_head)
            if state.checkpoint >= state.head or answered:
                yield "has nothing to do", Worker(), {}
            else:
                yield "finds events", worker._replace(doing="tries"), {}
        case "tries" if state.holder is None:
            yield "takes the checkpoint", worker._replace(doing="reads", held=True), {"holder": number}
        case "tries":
            yield "finds it taken and leaves", Worker(), {}
        case "reads":
            read = min(state.head, state.checkpoint + design.batch)
            yield f"reads up to {read}", worker._replace(doing="commits", read=read), {}
        case "commits" if design.head_after_release:
            yield "commits", worker._replace(doing="asks"), {"checkpoint": worker.read, "holder": None}
        case "commits":
            # The broken order: looking for newer events while nobody else can take the checkpoint.
            if state.head > worker.read:
                yield "goes on", worker._replace(doing="reads"), {"checkpoint": worker.read}
            else:
                yield "sees no more", worker._replace(doing="releases"), {"checkpoint": worker.read}
        case "releases":
            yield "releases", Worker(), {"holder": None}


def try_all_shards(design: Design) -> Explored:
    return explore(
        Shard(),
        partial(shard_steps, design=design),
        always=lambda state: state.checkpoint <= state.head,
        at_rest=lambda state: state.checkpoint == EVENTS,
    )


class TestDoorbells:
    @pytest.mark.parametrize("batch", [1, 2, 3])
    def test_leave_no_event_unfolded_whoever_is_turned_away(self, batch: int) -> None:
        found = try_all_shards(Design(batch=batch))

        assert found.ends

    @pytest.mark.parametrize(
        "broken",
        [Design(head_after_release=False), Design(holder_goes_to_head=False)],
        ids=["head asked for before the release", "a holder content with its own bell"],
    )
    def test_would_lose_one(self, broken: Design) -> None:
        with pytest.raises(CounterExample, match="must not be the end"):
            try_all_shards(broken)


class Refresher(NamedTuple):
    """What a `refresh_figures` is about to do, and its snapshot: (folded, shown)."""

    doing: str = "folds"
    seen: tuple[int, int] = (0, 0)


class Figures(NamedTuple):
    """How many batches were folded, how many of them the aggregates show, and who holds the refresh lock."""

    refreshers: tuple[Refresher, ...] = (Refresher(),) * 3
    folded: int = 0
    shown: int = 0
    holder: int | None = None


def refresh_steps(state: Figures, looks_again: bool) -> Iterator[Step[Figures]]:
    for number, refresher in enumerate(state.refreshers):
        for name, new, changes in _refresher_steps(state, looks_again, number, refresher):
            refreshers = (*state.refreshers[:number], new, *state.refreshers[number + 1 :])
            yield Step(f"worker {number} {name}", state._replace(refreshers=refreshers, **changes))


def _refresher_steps(
    state: Figures, looks_again: bool, number: int, refresher: Refresher
) -> Iterator[tuple[str, Refresher, dict[str, Any]]]:
    gone = Refresher("is done")
    # Where nothing was refreshed, the broken variant does not look whether somebody was turned away meanwhile.
    idle = Refresher("looks") if looks_again else gone
    match refresher.doing:
        case "folds":
            yield "folds a batch", Refresher("begins"), {"folded": state.folded + 1}
        case "begins":
            # The snapshot is older than the lock: both come with the statement that tries to lock.
            yield "takes its snapshot", Refresher("tries", (state.folded, state.shown)), {}
        case "tries" if state.holder is not None:
            yield "finds another at it", idle, {}
        case "tries":
            yield "locks", refresher._replace(doing="works"), {"holder": number}
        case "works" if refresher.seen[0] == refresher.seen[1]:
            yield "finds nothing to do", idle, {"holder": None}
        case "works" if refresher.seen[1] != state.shown:
            yield "fails to serialize", idle, {"holder": None}
        case "works":
            yield "commits", Refresher("looks"), {"shown": refresher.seen[0], "holder": None}
        case "looks" if state.folded == state.shown:
            yield "sees all is shown", gone, {}
        case "looks":
            yield "sees more to do", Refresher("probes"), {}
        case "probes" if state.holder is not None:
            yield "leaves it to another", gone, {}
        case "probes":
            yield "holds the lock for a moment", Refresher("lets go"), {"holder": number}
        case "lets go":
            yield "lets go", Refresher("begins"), {"holder": None}


class TestRefresh:
    def test_shows_every_batch_whoever_is_turned_away(self) -> None:
        found = explore(
            Figures(),
            partial(refresh_steps, looks_again=True),
            always=lambda state: state.shown <= state.folded,
            at_rest=lambda state: state.shown == state.folded,
        )

        assert found.ends

    def test_would_leave_one_out_where_a_worker_that_found_nothing_does_not_look_again(self) -> None:
        with pytest.raises(CounterExample, match="must not be the end"):
            explore(
                Figures(),
                partial(refresh_steps, looks_again=False),
                always=lambda state: True,
                at_rest=lambda state: state.shown == state.folded,
            )
