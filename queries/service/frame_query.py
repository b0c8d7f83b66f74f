"""What is asked of all companies at once: one metric in one calendar period, perhaps of one group."""

from typing import Annotated, Literal

from queries.errors import QueryError
from queries.metrics.groupings import EVERYBODY, GroupBy
from queries.service.arguments import argument, contradiction
from queries.service.asked_period import PERIOD_PATTERN, AskedPeriod, read_period

COMPARED_PERIODS = "Calendar period: CY2024, CY2024Q3, CY2024Q3TTM (twelve months), CY2024Q3I (an instant)."

MetricKey = Annotated[
    str, argument("Key of a metric, see /v1/metrics.", example="revenue", max_length=60, of="MetricKey")
]

ComparedPeriod = Annotated[
    AskedPeriod, argument(COMPARED_PERIODS, example="CY2023", pattern=PERIOD_PATTERN, read=read_period)
]

Grouping = Annotated[GroupBy, argument("How companies are grouped.", example="sector")]

Group = Annotated[
    str | None,
    argument(
        "A group of group_by, as companies show it: manufacturing, 3571, US.", example="manufacturing", max_length=60
    ),
]

Order = Literal["asc", "desc"]

PageLimit = Annotated[int, argument("Rows a page.", example=50, ge=1, le=1000)]


def group_asked(group_by: GroupBy, group: str | None) -> str:
    """
    The key of the group that is asked for, whatever its case.

    Raises:
        QueryError: a grouping is named without a group of it, or the other way round.
    """
    if group_by == EVERYBODY:
        if group is None or group.lower() == EVERYBODY:
            return EVERYBODY
        raise _without(
            "group_by", reason=f"group={group} is a group of another grouping", fix="add group_by, such as sector"
        )
    if not group:
        raise _without("group", reason=f"group_by={group_by} has many groups", fix=f"name one {group_by} in group")
    return group_key(group_by, group)


def group_key(group_by: GroupBy, group: str) -> str:
    """The key of a group as companies show it: countries in capitals, all others in small letters."""
    return group.upper() if group_by == "country" else group.lower()


def _without(name: str, *, reason: str, fix: str) -> QueryError:
    return contradiction(name, reason=reason, fix=fix)
