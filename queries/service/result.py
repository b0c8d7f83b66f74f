"""What the query service answers with."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from queries.read_models.answer_meta import AnswerMeta, ScreenOutcome
from queries.read_models.declaration import ReadModel
from queries.tables import Freshness


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """
    Rows of a read model and what the answer says about itself.

    `meta_of_first` gives what it would say if it ended behind so many of its rows, at least one; None where it cannot.
    """

    read_model: ReadModel
    meta: AnswerMeta
    rows: Sequence[msgspec.Struct]
    meta_of_first: Callable[[int], AnswerMeta] | None = None


class ReadyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The same, found ready to send: `rows_json` is a JSON array of rows, `meta_json` the whole meta object."""

    read_model: ReadModel
    position: int
    rows_json: bytes
    meta_json: bytes
    next_cursor: str | None = None

    def unpack(self) -> Result:
        """This will read the bytes into rows."""
        rows: list[Any] = msgspec.json.decode(self.rows_json, type=list[self.read_model.row])  # type: ignore[name-defined]
        return Result(
            read_model=self.read_model,
            meta=msgspec.json.decode(self.meta_json, type=AnswerMeta),
            rows=rows,
        )


def meta_of(
    freshness: Freshness,
    *,
    source: Literal["redis", "postgres"] = "postgres",
    as_of: datetime | None = None,
    next_cursor: str | None = None,
    warnings: Sequence[str] = (),
    screen: ScreenOutcome | UnsetType = UNSET,
) -> AnswerMeta:
    """This will build the meta of an answer from the freshness of the snapshot it was read in."""
    return AnswerMeta(
        position=freshness.position,
        fresh_at=freshness.fresh_at,
        lag_ms=freshness.lag_ms,
        complete=freshness.parked == 0,
        as_of=as_of,
        source=source,
        next_cursor=next_cursor,
        warnings=list(warnings),
        screen=screen,
    )
