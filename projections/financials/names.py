"""Company names as people read them."""

import re
import unicodedata

_STRAIGHT = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-"})
_SPACES = re.compile(r"\s+")


def display_name(filed: str) -> str:
    """The name with straight quotes and single spaces, without control, bidirectional and zero-width characters."""
    spaced = _SPACES.sub(" ", filed.translate(_STRAIGHT))
    visible = "".join(character for character in spaced if unicodedata.category(character) not in {"Cc", "Cf"})
    return _SPACES.sub(" ", visible).strip()
