"""What every answer says about itself."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from queries.read_models.declaration import column


class AnswerMeta(msgspec.Struct, frozen=True, kw_only=True):
    """How fresh an answer is, whether it is whole, and where it came from."""

    position: Annotated[
        int,
        column(
            "Every event up to this position is in the answer; pass it as min_position to read no older state.",
            example=48210,
        ),
    ]
    fresh_at: Annotated[
        datetime, column("When that position became readable (UTC).", example="2026-11-20T09:30:00.123456Z")
    ]
    lag_ms: Annotated[
        int, column("Time from the recording of that event until it was readable.", example=180, unit="ms")
    ]
    complete: Annotated[bool, column("False while some company's events wait for an operator.", example=True)]
    as_of: Annotated[
        datetime | None,
        column("The instant of knowledge asked for; null for what is known now.", example=None),
    ]
    source: Annotated[
        Literal["redis", "postgres"], column("Whether memory or the tables answered.", example="postgres")
    ]
    next_cursor: Annotated[
        str | None, column("Pass it as cursor for the next page; null on the last page.", example=None)
    ]
    warnings: Annotated[list[str], column("What a careful reader should know about this answer.", example=[])]
