"""What every answer says about itself."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from queries.read_models.declaration import column


class ConditionOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one condition of a screen was understood and how it fared alone."""

    where: Annotated[str, column("The condition as asked.", example="revenue > 1e9")]
    meaning: Annotated[
        str, column("The same in words, with its period.", example="revenue of CY2023 is more than 1000000000 USD")
    ]
    passing: Annotated[int, column("Companies that fulfil this condition, whatever the others say.", example=1904)]
    lacking: Annotated[
        int, column("Companies without the value or the group it asks for; they do not fulfil it.", example=412)
    ]


class ScreenOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a screen was understood and how many companies it leaves."""

    period: Annotated[
        str | None, column("Calendar period of the figures that name none; null where all do.", example="CY2023")
    ]
    companies: Annotated[int, column("Companies there are.", example=5890)]
    matching: Annotated[int, column("Companies that fulfil every condition, on all pages.", example=37)]
    conditions: Annotated[list[ConditionOutcome], column("Each condition, in the order asked.", example=[])]


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
    screen: Annotated[
        ScreenOutcome | UnsetType,
        column("Of a screen only: how its conditions were understood and how each fared.", example=None),
    ] = UNSET
