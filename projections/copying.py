"""COPY in text format, built by hand: several times faster than adapting each value of a million rows."""

from collections.abc import Iterable, Sequence
from itertools import batched

import psycopg

NULL = r"\N"
_CHUNK_ROWS = 5_000


def copy_lines(connection: psycopg.Connection, statement: bytes, lines: Iterable[str]) -> None:
    """This will send ready lines of COPY's text format, one a row, without their line ends."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in batched(lines, _CHUNK_ROWS):
            copy.write("\n".join(chunk) + "\n")


def line_of(columns: Sequence[str]) -> str:
    """This will join ready column texts (`NULL` for null, others through `escape`) to a line."""
    return "\t".join(columns)


def escape(text: str) -> str:
    """This will make a text safe for a column of COPY's text format."""
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text
