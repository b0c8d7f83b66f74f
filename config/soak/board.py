"""Numbers that the processes of a soak run show each other, and that outlive whoever is killed."""

import mmap
import struct
from collections.abc import Sequence

_NUMBER = struct.Struct("q")


class Board:
    """
    One whole number for each name, in memory shared with every process forked from this one.

    Each number has one process that writes it, so there is no lock that a killed process could take with it.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._places = {name: _NUMBER.size * index for index, name in enumerate(names)}
        self._memory = mmap.mmap(-1, _NUMBER.size * len(names))

    def __getitem__(self, name: str) -> int:
        number: int = _NUMBER.unpack_from(self._memory, self._places[name])[0]
        return number

    def __setitem__(self, name: str, number: int) -> None:
        _NUMBER.pack_into(self._memory, self._places[name], number)

    def add(self, name: str, number: int = 1) -> None:
        """This will add to a number of this process's own."""
        self[name] += number
