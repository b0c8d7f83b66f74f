"""How many commands came over REST, by name and by what they came to."""

from prometheus_client import Counter

_COMMANDS = Counter("factfold_commands", "Commands that came over REST.", ["command", "outcome"])


def count_command(name: str, *, outcome: str) -> None:
    """
    This will count a command.

    `outcome` is accepted, unchanged (accepted without an event), or the code of the error it was refused with.
    """
    _COMMANDS.labels(name, outcome).inc()
