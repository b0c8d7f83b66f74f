"""
The forms in which whole answers are exported: CSV, and Parquet, written a batch of rows at a time.

Writers do heavy work and run in threads of the exports, never on the event loop.
"""

import csv
import io
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any, Protocol

import msgspec

from queries.read_models.declaration import ReadModel

# Spreadsheets take such a text for a formula: https://owasp.org/www-community/attacks/CSV_Injection
_TAKEN_FOR_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class Writer(Protocol):
    """Writes rows into a file; `finish` comes once, after the last of them."""

    def add(self, rows: Sequence[msgspec.Struct]) -> None: ...
    def finish(self) -> None: ...


class Form(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A form of export: what stands behind the path, what it is called in headers, and who writes it."""

    suffix: str
    content_type: str
    accepted: frozenset[str]
    writer: Callable[[IO[bytes], ReadModel], Writer]


class CsvWriter:
    """
    CSV under the column names: lists joined by blanks, absent values empty.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers and dates never do.
    """

    def __init__(self, file: IO[bytes], read_model: ReadModel) -> None:
        self._file = file
        columns = read_model.cells
        self._cells = [(column.name, _cell_of(column.type)) for column in columns]
        self._write([[column.name for column in columns]])

    def add(self, rows: Sequence[msgspec.Struct]) -> None:
        """This will write the rows."""
        self._write([[cell(getattr(row, name)) for name, cell in self._cells] for row in rows])

    def finish(self) -> None:
        """Nothing stands behind the last row."""

    def _write(self, lines: Sequence[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        self._file.write(text.getvalue().encode())


def _number(value: Decimal | int | float) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _instant(value: date) -> str:
    return str(msgspec.to_builtins(value))


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_TAKEN_FOR_FORMULAS) else value


def _texts(values: Sequence[Any]) -> str:
    return _text(" ".join(map(str, values)))


_CELLS: Mapping[Any, Callable[[Any], str]] = {
    Decimal: _number,
    int: _number,
    float: _number,
    bool: _truth,
    date: _instant,
    datetime: _instant,
    list: _texts,
    tuple: _texts,
}


def _cell_of(kind: Any) -> Callable[[Any], str]:
    written = _CELLS.get(typing.get_origin(kind) or kind, _text)
    return lambda value: "" if value is None else written(value)


def _parquet(file: IO[bytes], read_model: ReadModel) -> Writer:
    # Imported by the first export, in its thread: the library is large, and most processes never need it.
    from queries.rest.export_parquet import ParquetWriter

    return ParquetWriter(file, read_model)


FORMS: tuple[Form, ...] = (
    Form(
        suffix=".csv",
        content_type="text/csv; charset=utf-8",
        accepted=frozenset({"*/*", "text/*", "text/csv"}),
        writer=CsvWriter,
    ),
    Form(
        suffix=".parquet",
        content_type="application/vnd.apache.parquet",
        accepted=frozenset({"*/*", "application/*", "application/vnd.apache.parquet", "application/octet-stream"}),
        writer=_parquet,
    ),
)
