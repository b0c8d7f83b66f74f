"""Rows as files: every digit kept, nothing that a spreadsheet would run."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from queries.read_models.declaration import ReadModel, column
from queries.rest import export_parquet
from queries.rest.export_forms import CsvWriter
from queries.rest.export_parquet import ParquetWriter


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row with a column of every kind."""

    name: Annotated[str, column("A text.", example="Apple Inc.")] = "Apple Inc."
    cik: Annotated[int, column("A number.", example=1)] = 1
    value: Annotated[Decimal | None, column("An exact value.", example=1, unit="USD")] = None
    end: Annotated[date | None, column("A day.", example="2023-12-31")] = date(2023, 12, 31)
    known_from: Annotated[datetime, column("An instant.", example="2024-01-01T00:00:00Z")] = datetime(
        2024, 1, 1, 12, 30, 0, 250_000, tzinfo=UTC
    )
    flags: Annotated[list[str], column("A list.", example=[])] = []
    whole: Annotated[bool, column("A truth.", example=True)] = True


ROWS = ReadModel(name="row", row=Row, key=("cik",), cache_seconds=1)


def as_parquet(*batches: Sequence[Row]) -> pa.Table:
    file = io.BytesIO()
    writer = ParquetWriter(file, ROWS)
    for rows in batches:
        writer.add(rows)
    writer.finish()
    file.seek(0)
    return parquet.read_table(file)


def as_csv(*rows: Row) -> list[dict[str, str]]:
    file = io.BytesIO()
    writer = CsvWriter(file, ROWS)
    writer.add(rows)
    writer.finish()
    return list(csv.DictReader(io.StringIO(file.getvalue().decode(), newline="")))


class TestParquet:
    def test_has_dates_instants_lists_and_what_columns_mean(self) -> None:
        table = as_parquet([Row(flags=["derived", "sign_changed"]), Row(end=None)])

        assert table.schema.field("end").type == pa.date32()
        assert table.schema.field("known_from").type == pa.timestamp("us", tz="UTC")
        assert table.schema.field("value").metadata == {b"description": b"An exact value.", b"unit": b"USD"}
        assert table.to_pylist() == [
            msgspec.structs.asdict(Row(flags=["derived", "sign_changed"])),
            msgspec.structs.asdict(Row(end=None)),
        ]

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ([], pa.decimal128(38, 12)),
            (["383285000000", None, "-0.441311817577"], pa.decimal128(38, 12)),
            (["1E+5", "9" * 26], pa.decimal128(38, 12)),
            (["1", "0.1234567890123"], pa.decimal256(76, 38)),
            (["9" * 27], pa.decimal256(76, 38)),
            (["9" * 39, "1.5"], pa.string()),
            (["0." + "3" * 39], pa.string()),
        ],
    )
    def test_has_the_narrowest_type_that_holds_every_value(self, values: list[str | None], kind: pa.DataType) -> None:
        table = as_parquet([Row(value=None if value is None else Decimal(value)) for value in values])

        assert table.schema.field("value").type == kind

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.lists(st.decimals(allow_nan=False, allow_infinity=False), max_size=4), max_size=3))
    def test_keeps_every_digit_whatever_batch_a_value_comes_in(self, batches: list[list[Decimal]]) -> None:
        rows = export_parquet.ROW_GROUP_ROWS
        export_parquet.ROW_GROUP_ROWS = 2
        try:
            table = as_parquet(*([Row(value=value) for value in batch] for batch in batches))
        finally:
            export_parquet.ROW_GROUP_ROWS = rows

        read = [Decimal(value) for value in table.column("value").to_pylist()]
        assert read == [value for batch in batches for value in batch]


class TestCsv:
    @pytest.mark.parametrize("text", ['=HYPERLINK("x")', "+1", "-2+3", "@SUM(A1)", "\tx", "\r=1"])
    def test_disarms_texts_that_look_like_formulas(self, text: str) -> None:
        (row,) = as_csv(Row(name=text, flags=[text]))

        assert (row["name"], row["flags"]) == (f"'{text}", f"'{text}")

    def test_leaves_numbers_and_dates_as_they_are(self) -> None:
        (row,) = as_csv(Row(value=Decimal("-1.50"), cik=-1, flags=["a", "b"]))

        assert row == {
            "name": "Apple Inc.",
            "cik": "-1",
            "value": "-1.50",
            "end": "2023-12-31",
            "known_from": "2024-01-01T12:30:00.250000Z",
            "flags": "a b",
            "whole": "true",
        }
