"""A process of a soak run that ends though nobody killed it is not passed over."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.running_installation import ROOT

# In a process of its own: roles are forked, which one with threads should not do.
PROGRAM = """
import sys, time
from pathlib import Path
from config.soak.roles import Role

role = Role("writer 0", lambda: {play}, folder=Path(sys.argv[1]))
role.start()
if {killed}:
    role.kill()
while not role.has_ended():
    time.sleep(0.01)
print(role.ending() if role.has_failed() else "it has not failed")
"""


@pytest.mark.parametrize(
    ("play", "killed", "told"),
    [
        ("[][1]", False, "IndexError: list index out of range"),
        ("sys.exit(3)", False, "writer 0 ended by itself (exit code 3)"),
        ("None", False, "it has not failed"),
        ("time.sleep(60)", True, "it has not failed"),
    ],
)
def test_an_end_is_told_with_its_reason(tmp_path: Path, play: str, killed: bool, told: str) -> None:
    program = PROGRAM.format(play=play, killed=killed)

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert told in done.stdout
