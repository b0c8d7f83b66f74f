"""
Every interleaving of a few small processes, tried one by one.

A model is a set of processes whose steps are atomic. `explore` visits every state that any order of steps can reach,
breadth first, so that the schedule it reports for a broken rule is a shortest one.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple


class Step[State](NamedTuple):
    """What one process may do next, and the state that follows."""

    name: str
    after: State


type Steps[State] = Callable[[State], Iterable[Step[State]]]
type Rule[State] = Callable[[State], object]


class Explored(NamedTuple):
    """How much was tried: states, steps between them, and states in which nothing more could happen."""

    states: int
    steps: int
    ends: int


class CounterExample(Exception):
    """A rule is broken; the message is a shortest schedule that breaks it."""


def explore[State: Hashable](
    start: State, steps: Steps[State], *, always: Rule[State], at_rest: Rule[State], most_states: int = 500_000
) -> Explored:
    """
    This will visit every state that can be reached from `start`.

    `always` has to hold in each of them, `at_rest` in those in which no process can do anything any more.

    Raises:
        CounterExample: a rule does not hold.
    """
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    waiting = deque([start])
    taken = ends = 0
    while waiting:
        state = waiting.popleft()
        following = list(steps(state))
        broken = _broken(state, always, at_rest if not following else None)
        if broken:
            raise CounterExample(_schedule(came_from, state, broken))
        ends += not following
        for step in following:
            taken += 1
            if step.after not in came_from:
                came_from[step.after] = (state, step.name)
                waiting.append(step.after)
        assert len(came_from) <= most_states, "the model is too large to be tried exhaustively"
    return Explored(states=len(came_from), steps=taken, ends=ends)


def _broken[State](state: State, always: Rule[State], at_rest: Rule[State] | None) -> str | None:
    if not always(state):
        return "is never allowed"
    if at_rest is not None and not at_rest(state):
        return "must not be the end"
    return None


def _schedule[State: Hashable](came_from: dict[State, tuple[State, str] | None], state: State, broken: str) -> str:
    names: list[str] = []
    at = came_from[state]
    while at is not None:
        before, name = at
        names.append(name)
        at = came_from[before]
    lines = [f"{number:>3}. {name}" for number, name in enumerate(reversed(names), 1)]
    return "\n".join([*lines, f"     {state}", f"     {broken}"])
