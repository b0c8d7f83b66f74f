"""A doorbell for tests: keeps what was rung."""

from collections.abc import Sequence

from commands.publishing import Bell


class MemoryDoorbell:
    """Bells are kept in `rung`, in the order in which they came."""

    def __init__(self) -> None:
        self.rung: list[Bell] = []

    def ring(self, bells: Sequence[Bell]) -> None:
        """This will keep the bells."""
        self.rung.extend(bells)
