"""The rounds of a soak run: work under fire, come to rest, compare everything with everything."""

import time
from collections.abc import Callable, Iterator, Sequence
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


def play(
    folder: Path,
    servers: Servers,
    plan: Plan,
    *,
    doors: Iterator[DoorName],
    deck: Deck,
    rounds: int,
    until: float,
    totals: dict[DoorName, Totals],
    say: Callable[[str], None],
) -> None:
    """
    This will play rounds on one fresh installation until there were `rounds`, or the instant `until` is reached.

    Raises: Difference, EndedByItself, LedgerBroken, NotAtRest.
    """
    call_command("migrate", verbosity=0)
    _forget_django_connections()
    installation = Installation(folder, servers, seed=plan.seed)
    installation.start()
    before = dict.fromkeys(Totals.__struct_fields__, 0)
    try:
        for _ in range(rounds):
            door = next(doors)
            number = 1 + sum(total.rounds for total in totals.values())
            installation.move_to(door)
            faults = deck.deal(plan.faults, door=door, seconds=plan.seconds)
            happened = installation.work(plan.seconds, faults)
            installation.come_to_rest()
            verified, checked = installation.check()
            kills = sum(fault.startswith("kill") for fault in happened)
            # What an installation counts, it counts over all of its rounds.
            now = {_TOTAL_OF.get(name, name.lower().replace(" ", "_")): n for name, n in installation.counted().items()}
            now |= msgspec.to_builtins(checked)
            round_ = {name: count - before[name] for name, count in now.items()}
            before |= now
            round_ |= {"rounds": 1, "kills": kills, "other_faults": len(happened) - kills}
            totals[door] = summed([totals.get(door, Totals()), Totals(**round_, events_checked=verified.events)])
            say(
                f"round {number} at {door}: {', '.join(happened)}; {checked.accepted} accepted ({checked.shared} "
                f"in shared transactions), {checked.refused} refused, {checked.unheard} unheard "
                f"({checked.unheard_with_effect} with effect); {verified.events} events, {verified.values} values, "
                f"{verified.fragments} fragments: 0 differences"
            )
            if time.monotonic() > until:
                break
    finally:
        installation.end()


def _forget_django_connections() -> None:
    # A forked process must not share a connection.
    from django.db import connections

    connections.close_all()
