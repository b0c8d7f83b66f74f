"""Rules for text that enters the house."""

import re

from commands.errors import FieldError

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text_error(pointer: str, text: str | None, *, longest: int) -> FieldError | None:
    """
    This will say what is wrong with a line of text, or return None.

    Typographic quotes, no-break spaces and letters of any script are fine; control characters, line breaks and
    halves of surrogate pairs are not, and neither is a line of blanks.
    """
    if text is None or not text.strip():
        return FieldError(pointer=pointer, reason="is empty", fix="write at least one visible character")
    if len(text) > longest:
        return FieldError(
            pointer=pointer, reason=f"has {len(text)} characters", fix=f"write at most {longest} characters"
        )
    if unfit := _UNFIT.search(text):
        return FieldError(
            pointer=pointer,
            reason=f"holds the control character U+{ord(unfit.group()):04X} at index {unfit.start()}",
            fix="remove it",
        )
    return None
