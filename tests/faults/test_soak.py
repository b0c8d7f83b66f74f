"""The whole pipeline in processes of its own, while any of them may be killed: a short run of `manage.py soak`."""

import re

import pytest

from config.soak.faults import KINDS
from tests.fixtures.running_installation import manage

ROUND = re.compile(r"^round \d+ at ([a-z-]+): (.*?); .*: 0 differences$", re.MULTILINE)


def rounds(said: str) -> list[tuple[str, set[str]]]:
    """The door of each round, and what went wrong in it."""
    return [
        (door, {re.sub(r" \d+$", "", fault) for fault in faults.split(", ")}) for door, faults in ROUND.findall(said)
    ]


def counted(said: str) -> dict[str, int]:
    """What the last line of a run counts."""
    return {
        name: int(number.replace(",", "")) for number, name in re.findall(r"([\d,]+) ([a-z ]+)", said.splitlines()[-1])
    }


class TestSoak:
    def test_comes_right_by_itself_after_a_worker_and_who_answers_it_were_killed_and_redis_was_emptied(self) -> None:
        outcome = manage(
            "soak", "--door", "celery", "--rounds", "1", "--seconds", "1", "--faults", "3", "--seed", "758"
        )

        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        assert rounds(outcome.stdout) == [("celery", {"kill listener", "kill worker", "flushall"})]
        assert min(counted(outcome.stdout)[name] for name in ("kills", "accepted", "events checked")) > 0

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", [4])
    def test_comes_right_by_itself_at_every_door_whatever_is_killed_lost_or_emptied(self, seed: int) -> None:
        outcome = manage("soak", "--seed", str(seed), "--rounds", "4", "--seconds", "0.8", "--faults", "5")

        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        assert sorted(door for door, _ in rounds(outcome.stdout)) == ["celery", "celery-sqs", "lambda", "sqs"]
        assert set().union(*(faults for _, faults in rounds(outcome.stdout))) == set(KINDS)
        needed = ("kills", "other faults", "dropped", "accepted", "shared", "events checked")
        assert min(counted(outcome.stdout)[name] for name in needed) > 0
        assert counted(outcome.stdout)["differences"] == 0
