"""The whole pipeline in processes of its own, while any of them may be killed: a short run of `manage.py soak`."""

import re

import pytest

from config.soak.faults import KINDS
from tests.fixtures.running_installation import manage


@pytest.mark.slow
class TestSoak:
    @pytest.mark.parametrize("seed", [4])
    def test_comes_right_by_itself_at_every_door_whatever_is_killed_lost_or_emptied(self, seed: int) -> None:
        outcome = manage("soak", "--seed", str(seed), "--rounds", "4", "--seconds", "0.8", "--faults", "5")

        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        rounds = re.findall(r"^round \d at ([a-z-]+): (.*?); .*: 0 differences$", outcome.stdout, re.MULTILINE)
        assert sorted(door for door, _ in rounds) == ["celery", "celery-sqs", "lambda", "sqs"]
        assert {re.sub(r" \d+$", "", fault) for _, faults in rounds for fault in faults.split(", ")} == set(KINDS)
        summary = outcome.stdout.splitlines()[-1]
        counted = {name: int(number.replace(",", "")) for number, name in re.findall(r"([\d,]+) ([a-z ]+)", summary)}
        needed = ("kills", "other faults", "dropped", "accepted", "shared", "events checked")
        assert min(counted[name] for name in needed) > 0
        assert counted["differences"] == 0
