"""The rounds of a soak run: work under fire, come to rest, compare everything with everything."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
from django.core.management import call_command

from config.soak.doors import DoorName
from config.soak.faults import Deck
from config.soak.installation import EndedByItself, Installation, NotAtRest, Servers
from config.soak.ledger import LedgerBroken
from projections.verify import Difference

FAILURES = (Difference, EndedByItself, LedgerBroken, NotAtRest)


class Plan(NamedTuple):
    """How a run is played; `seconds` is how long work goes on in one round."""

    seed: int
    seconds: float
    faults: int
    doors: Sequence[DoorName]


class Totals(msgspec.Struct, kw_only=True):
    """What the rounds at one door have been through."""

    rounds: int = 0
    kills: int = 0
    other_faults: int = 0
    bells: int = 0
    dropped: int = 0
    doubled: int = 0
    delayed: int = 0
    accepted: int = 0
    shared: int = 0
    refused: int = 0
    unheard: int = 0
    unheard_with_effect: int = 0
    events: int = 0
    events_checked: int = 0
    events_seen_live: int = 0
    looks_at_redis: int = 0
    switches_to_a_rebuild: int = 0


_TOTAL_OF = {"events seen": "events_seen_live", "switches": "switches_to_a_rebuild"}


def summed(totals: Sequence[Totals]) -> Totals:
    """This will add up what all doors have been through."""
    return Totals(**{name: sum(getattr(one, name) for one in totals) for name in Totals.__struct_fields__})


def doors_in_turn(plan: Plan) -> Iterator[DoorName]:
    """This will give the door of each round: all of them in each few rounds, in an order drawn anew each time."""
    random = Random(f"{plan.seed} doors")  # noqa: S311 (a schedule, not a secret)
    while True:
        yield from random.sample(plan.doors, len(plan.doors))


class Run:
    """Rounds on one installation after the other, their doors and faults in an order that the seed has drawn."""

    def __init__(self, plan: Plan, *, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._doors = doors_in_turn(plan)
        self._deck = Deck(plan.seed)
        self._say = say
        self.totals: dict[DoorName, Totals] = {}

    @property
    def rounds(self) -> int:
        """How many were played to their end."""
        return sum(total.rounds for total in self.totals.values())

    def play(self, folder: Path, servers: Servers, *, rounds: int, until: float) -> None:
        """
        This will play rounds on one fresh installation until there were `rounds`, or the instant `until` is reached.

        Raises: Difference, EndedByItself, LedgerBroken, NotAtRest.
        """
        call_command("migrate", verbosity=0)
        _forget_django_connections()
        installation = Installation(folder, servers, seed=self._plan.seed)
        installation.start()
        before = dict.fromkeys(Totals.__struct_fields__, 0)
        try:
            for _ in range(rounds):
                before = self._round(installation, before)
                if time.monotonic() > until:
                    break
        finally:
            installation.end()

    def _round(self, installation: Installation, before: Mapping[str, int]) -> dict[str, int]:
        """What an installation has counted before and gives back what it has afterwards: it counts over all rounds."""
        door = next(self._doors)
        number = 1 + self.rounds
        installation.move_to(door)
        faults = self._deck.deal(self._plan.faults, door=door, seconds=self._plan.seconds)
        happened = installation.work(self._plan.seconds, faults)
        installation.come_to_rest()
        verified, checked = installation.check()
        kills = sum(fault.startswith("kill") for fault in happened)
        now = {_TOTAL_OF.get(name, name.lower().replace(" ", "_")): n for name, n in installation.counted().items()}
        now |= msgspec.to_builtins(checked)
        round_ = {name: count - before[name] for name, count in now.items()}
        round_ |= {"rounds": 1, "kills": kills, "other_faults": len(happened) - kills}
        played = Totals(**round_, events_checked=verified.events)
        self.totals[door] = summed([self.totals.get(door, Totals()), played])
        self._say(
            f"round {number} at {door}: {', '.join(happened)}; {checked.accepted} accepted ({checked.shared} "
            f"in shared transactions), {checked.refused} refused, {checked.unheard} unheard "
            f"({checked.unheard_with_effect} with effect); {verified.events} events, {verified.values} values, "
            f"{verified.fragments} fragments: 0 differences"
        )
        return {**before, **now}


def _forget_django_connections() -> None:
    # A forked process must not share a connection.
    from django.db import connections

    connections.close_all()
