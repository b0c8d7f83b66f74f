"""Answers as bytes."""

import json
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from queries.read_models.aggregate import AGGREGATE, AggregateRow, MemberRow
from queries.read_models.aggregate_fragment import StoredAggregate, plain, public_row, render_fragment
from queries.read_models.answer_meta import AnswerMeta
from queries.rest.encoding import encode_json, encode_meta
from queries.service.result import ReadyResult, Result

META = AnswerMeta(
    position=7,
    fresh_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    lag_ms=12,
    complete=True,
    as_of=None,
    source="redis",
    next_cursor=None,
    warnings=['a "quoted" warning'],
)
_DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=9)


def aggregate(value: Decimal) -> AggregateRow:
    member = MemberRow(company="Café “X”", cik=1, value=value)
    return AggregateRow(
        metric="revenue",
        unit="USD",
        group_by="all",
        group="all",
        period="CY2023",
        n=1,
        sum=value,
        mean=value,
        min=value,
        p10=value,
        p25=value,
        median=value,
        p75=value,
        p90=value,
        max=value,
        weighted=None,
        top=[member],
        bottom=[member],
    )


@given(_DECIMALS)
def test_rows_of_the_table_become_the_bytes_that_lie_in_redis(value: Decimal) -> None:
    row = aggregate(plain(value))
    statistics = {name: getattr(row, name) for name in ("mean", "min", "p10", "p25", "median", "p75", "p90", "max")}
    stored = StoredAggregate(
        metric="revenue",
        period="CY2023",
        group_by="all",
        group_key="all",
        unit="USD",
        n=1,
        sum=value,
        sum_of_squares=value,
        **statistics,
        numerator=None,
        denominator=None,
        bottom_ciks=[1],
        bottom_values=[value],
        top_ciks=[1],
        top_values=[value],
    )
    in_redis = render_fragment([public_row(stored, {1: "Café “X”"})])

    from_redis = ReadyResult(read_model=AGGREGATE, position=7, rows_json=in_redis, meta_json=encode_meta(META))
    from_table = Result(read_model=AGGREGATE, meta=META, rows=[row])

    assert encode_json(from_redis, numbers="number") == encode_json(from_table, numbers="number")
    assert from_redis.unpack().rows == from_table.rows


@given(_DECIMALS)
def test_numbers_keep_every_digit(value: Decimal) -> None:
    result = Result(read_model=AGGREGATE, meta=META, rows=[aggregate(plain(value))])

    as_number = json.loads(encode_json(result, numbers="number"), parse_float=Decimal, parse_int=Decimal)
    as_text = json.loads(encode_json(result, numbers="text"))

    assert as_number["data"][0]["sum"] == Decimal(as_text["data"][0]["sum"]) == value


def test_meta_is_json_to_the_millisecond() -> None:
    assert json.loads(encode_meta(META)) == {
        "position": 7,
        "fresh_at": "2026-01-02T03:04:05.678Z",
        "lag_ms": 12,
        "complete": True,
        "as_of": None,
        "source": "redis",
        "next_cursor": None,
        "warnings": ['a "quoted" warning'],
    }
