"""What goes wrong in a round, and when: dealt from a deck that a seed has shuffled."""

from random import Random
from typing import NamedTuple

KINDS = {
    "kill api": 4,
    "kill writer": 2,
    "kill worker": 4,
    "kill listener": 3,
    "kill relay": 1,
    "kill postgres": 2,
    "kill backend": 1,
    "cut session": 3,
    "kill valkey": 2,
    "flushall": 3,
    "freeze api": 1,
    "freeze worker": 2,
    "freeze listener": 2,
    "begin rebuild": 3,
    "kill rebuild": 1,
    "kill queue": 1,
    "kill mapping": 1,
    "purge queue": 2,
}
"""How often each comes, of as many as all of these together."""
_ONLY_AT = {"kill queue": {"celery-sqs", "sqs", "lambda"}, "kill mapping": {"lambda"}}


class Fault(NamedTuple):
    """One thing that goes wrong: so many seconds into the round, and to which of several, by a number to divide by."""

    at_seconds: float
    kind: str
    which: int


class Deck:
    """All kinds in an order drawn from a seed: each once before any comes again."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"{seed} faults")  # noqa: S311 (a schedule, not a secret)
        self._held: list[str] = []

    def deal(self, count: int, *, door: str, seconds: float) -> list[Fault]:
        """This will plan a round, earliest first; what can go wrong at few doors is kept for them."""
        kinds = [self._take(door) for _ in range(count)]
        return sorted(
            Fault(self._random.uniform(0.1, 1) * seconds, kind, self._random.randrange(1_000)) for kind in kinds
        )

    def _take(self, door: str) -> str:
        here = [kind for kind in self._held if door in _ONLY_AT.get(kind, ())]
        anywhere = (kind for kind in self._held if kind not in _ONLY_AT)
        kind = next(iter(here), None) or next(anywhere, None)
        if kind is None:
            again = {kind: count - 1 for kind, count in KINDS.items()}
            self._held += self._random.sample(list(KINDS), len(KINDS))
            self._held += self._random.sample(list(again), sum(again.values()), counts=list(again.values()))
            return self._take(door)
        self._held.remove(kind)
        return kind
