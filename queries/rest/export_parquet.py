"""Whole answers as Parquet."""

import tempfile
import typing
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

import msgspec
import pyarrow as pa
from pyarrow import ipc, parquet

from queries.read_models.aggregate_fragment import plain
from queries.read_models.declaration import Column, ReadModel

ROW_GROUP_ROWS = 20_000
"""Rows a row group: what a reader skips or reads as one, and the most that is held in memory."""

_DECIMAL_TYPES = (pa.decimal128(38, 12), pa.decimal256(76, 38))
"""What exact values are: the first of these that holds every value of the column, else text."""

_TYPES: dict[Any, pa.DataType] = {
    int: pa.int64(),
    bool: pa.bool_(),
    float: pa.float64(),
    date: pa.date32(),
    datetime: pa.timestamp("us", tz="UTC"),
}


class ParquetWriter:
    """
    Parquet with exact decimals, dates as dates, instants in UTC, lists as lists; help text and unit with each column.

    How many digits a column needs is known only after its last row: until then the rows lie in a file beside, with
    exact values as text.
    """

    def __init__(self, file: IO[bytes], read_model: ReadModel) -> None:
        self._file = file
        self._columns = read_model.cells
        self._types = {column.name: _arrow_type(column.type) for column in self._columns}
        self._digits = {column.name: (0, 0) for column in self._columns if column.type is Decimal}
        self._waiting: list[msgspec.Struct] = []
        # Closed by finish(), or when it is forgotten.
        self._beside = tempfile.TemporaryFile()  # noqa: SIM115
        self._batches = ipc.new_stream(self._beside, self._schema(text=True))

    def add(self, rows: Sequence[msgspec.Struct]) -> None:
        """This will take the rows, and set a row group aside when there are enough."""
        self._waiting += rows
        while len(self._waiting) >= ROW_GROUP_ROWS:
            self._set_aside(self._waiting[:ROW_GROUP_ROWS])
            del self._waiting[:ROW_GROUP_ROWS]

    def finish(self) -> None:
        """This will write the file."""
        if self._waiting:
            self._set_aside(self._waiting)
            self._waiting = []
        self._batches.close()
        self._beside.seek(0)
        schema = self._schema(text=False)
        with self._beside, parquet.ParquetWriter(self._file, schema, compression="zstd") as writer:
            for batch in ipc.open_stream(self._beside):
                arrays = [array.cast(field.type) for array, field in zip(batch.columns, schema, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=schema))

    def _set_aside(self, rows: Sequence[msgspec.Struct]) -> None:
        arrays = []
        for column in self._columns:
            cells = [getattr(row, column.name) for row in rows]
            if column.name in self._digits:
                cells = [None if cell is None else format(plain(cell), "f") for cell in cells]
                self._count_digits(column.name, cells)
            arrays.append(pa.array(cells, self._type(column, text=True)))
        self._batches.write_batch(pa.record_batch(arrays, schema=self._schema(text=True)))

    def _count_digits(self, name: str, cells: Sequence[str | None]) -> None:
        """
        Count them before and after the point. The library is not asked whether a text fits: it turns one that is much
        too long into another number without a word.
        """
        before, after = self._digits[name]
        for cell in cells:
            if cell is not None:
                whole, _, fraction = cell.lstrip("-").partition(".")
                before, after = max(before, len(whole)), max(after, len(fraction))
        self._digits[name] = before, after

    def _schema(self, *, text: bool) -> pa.Schema:
        return pa.schema(
            [
                pa.field(column.name, self._type(column, text=text), column.nullable, metadata=_told_of(column))
                for column in self._columns
            ]
        )

    def _type(self, column: Column, *, text: bool) -> pa.DataType:
        if column.name not in self._digits:
            return self._types[column.name]
        before, after = self._digits[column.name]
        fitting = [kind for kind in _DECIMAL_TYPES if after <= kind.scale and before <= kind.precision - kind.scale]
        return pa.string() if text or not fitting else fitting[0]


def _told_of(column: Column) -> dict[str, str]:
    return {"description": column.help} | ({"unit": column.unit} if column.unit else {})


def _arrow_type(kind: Any) -> pa.DataType:
    if typing.get_origin(kind) in (list, tuple):
        return pa.list_(_arrow_type(typing.get_args(kind)[0]))
    return _TYPES.get(kind, pa.string())
