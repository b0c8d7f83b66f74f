"""The whole pipeline in processes of its own, while any of them may be killed: a short run of `manage.py soak`."""

import re

import pytest

from tests.fixtures.running_installation import manage


@pytest.mark.slow
class TestSoak:
    @pytest.mark.parametrize("seed", [4])
    def test_comes_right_by_itself_after_kills_lost_messages_and_an_emptied_redis(self, seed: int) -> None:
        outcome = manage("soak", "--seed", str(seed), "--rounds", "3", "--seconds", "1", "--faults", "5")

        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        assert len(re.findall(r"^round \d at .*: 0 differences$", outcome.stdout, re.MULTILINE)) == 3
        summary = outcome.stdout.splitlines()[-1]
        counted = {name: int(number.replace(",", "")) for number, name in re.findall(r"([\d,]+) ([a-z ]+)", summary)}
        assert min(counted[name] for name in ("kills", "other faults", "accepted", "events checked")) > 0
        assert counted["differences"] == 0
