"""What every source hands on: commands with the place they were read at, and what had to be left out."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

Condition = Literal["always", "unregistered", "unclassified"]
"""
When a proposed command counts: always; only while its company is not registered; or only as far as it says what is
not known of its company, which keeps an older source from undoing a newer one.
"""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A command to be dispatched, and the file and item it came from."""

    place: str
    command: Any
    condition: Condition = "always"


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be taken in: where it stands, and why. What surrounds it still goes in."""

    place: str
    reason: str


class FileRead(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a member of an archive, has been read to its end."""

    place: str


Item = Proposal | Skipped | FileRead
Reading = Iterator[Item]
