"""The token a command was answered with, by which its sender asks for figures that have it."""

import re

import msgspec

_FORM = re.compile(r"(event-)?([0-9]{1,18})")

MIN_POSITION_PATTERN = r"^(event-)?\d{1,18}$"


class EventToken(msgspec.Struct, frozen=True):
    """Names the last event a command brought about, which may have no position yet."""

    event_id: int

    @property
    def text(self) -> str:
        """The token as it was given out."""
        return f"event-{self.event_id}"


def read_min_position(text: str) -> EventToken | int:
    """
    This will read a position, or the token that stands for one.

    Raises:
        ValueError: the text is neither.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError("it is neither a position nor the token of a command")
    number = int(match[2])
    return EventToken(number) if match[1] else number
