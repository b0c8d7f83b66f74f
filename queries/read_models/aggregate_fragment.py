"""Ready-to-send rows of group aggregates: the same bytes whether they come from Redis or from the table."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

STATISTICS = ("sum", "mean", "min", "p10", "p25", "median", "p75", "p90", "max")

AGGREGATE_COLUMNS = ("metric", "unit", "group_by", "group", "period", "n", *STATISTICS, "top", "bottom")

_encoder = msgspec.json.Encoder(decimal_format="number")


def render_fragment(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """
    This will render rows of `group_aggregate` (with `top` and `bottom` as lists of {company, cik, value}) as a JSON
    array sorted by group; numbers are exact decimal literals.
    """
    ordered = sorted(rows, key=lambda row: row["group_key"])
    return join_rows(map(render_row, ordered))


def render_row(row: Mapping[str, Any]) -> bytes:
    """This will render one row of a fragment."""
    return _encoder.encode(_public_row(row))


def join_rows(rendered: Iterable[bytes]) -> bytes:
    """This will make a fragment of rows that are rendered and in order."""
    return b"[%b]" % b",".join(rendered)


def _public_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metric": row["metric"],
        "unit": row["unit"],
        "group_by": row["group_by"],
        "group": row["group_key"],
        "period": row["period"],
        "n": row["n"],
        **{name: plain(row[name]) for name in STATISTICS},
        "top": [_public_member(member) for member in row["top"]],
        "bottom": [_public_member(member) for member in row["bottom"]],
    }


def _public_member(member: Mapping[str, Any]) -> dict[str, Any]:
    return {"company": member["company"], "cik": member["cik"], "value": plain(Decimal(str(member["value"])))}


def plain(value: Decimal) -> Decimal:
    """The same number without exponent or trailing zeros, as answers show it."""
    text = format(value, "f")
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)
