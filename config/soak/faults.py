"""What goes wrong in a round, and when: drawn from a seed before the round begins."""

from random import Random
from typing import NamedTuple

_WEIGHTS = {
    "kill writer": 4,
    "kill worker": 4,
    "kill listener": 3,
    "kill relay": 1,
    "kill postgres": 2,
    "kill backend": 1,
    "cut session": 3,
    "kill valkey": 2,
    "flushall": 3,
    "freeze worker": 2,
    "freeze listener": 2,
    "begin rebuild": 3,
    "kill rebuild": 1,
    "kill queue": 1,
    "kill mapping": 1,
    "purge queue": 2,
}


class Fault(NamedTuple):
    """One thing that goes wrong: so many seconds into the round, and to which of several, by a number to divide by."""

    at_seconds: float
    kind: str
    which: int


def draw_faults(random: Random, *, seconds: float, count: int) -> list[Fault]:
    """This will plan a round: earliest first."""
    kinds = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=count)
    return sorted(Fault(random.uniform(0.1, 1) * seconds, kind, random.randrange(1_000)) for kind in kinds)
