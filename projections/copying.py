"""COPY in text format, built by hand: several times faster than adapting each value of a million rows."""

from collections.abc import Iterable, Sequence

import psycopg

NULL = r"\N"
_CHUNK_ROWS = 5_000


def copy_rows(connection: psycopg.Connection, statement: bytes, rows: Iterable[Sequence[str]]) -> int:
    """This will send rows of ready column texts (`NULL` for null, others through `escape`) and count them."""
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        chunk: list[str] = []
        for row in rows:
            chunk.append("\t".join(row))
            if len(chunk) == _CHUNK_ROWS:
                copy.write("\n".join(chunk) + "\n")
                count += len(chunk)
                chunk.clear()
        if chunk:
            copy.write("\n".join(chunk) + "\n")
            count += len(chunk)
    return count


def escape(text: str) -> str:
    """This will make a text safe for a column of COPY's text format."""
    if "\\" in text or "\t" in text or "\n" in text or "\r" in text:
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return text
