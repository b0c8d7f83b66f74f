"""The ways companies are grouped."""

from typing import Final, Literal, get_args

GroupBy = Literal["all", "sector", "major_group", "industry", "country", "size_class"]

GROUPINGS: tuple[GroupBy, ...] = get_args(GroupBy)

EVERYBODY: Final = "all"
"""The one group of the grouping `all`."""

WHAT_GROUPS_ARE = (
    "all: every company; sector: SIC division such as retail-trade; major_group: two digits of the SIC code; industry: "
    "all four; country: ISO code of the filer's country; size_class: the filer's own, such as large_accelerated"
)
