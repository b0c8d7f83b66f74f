"""Who counts in which group: companies as they are classified today, or as they were classified then."""

from datetime import datetime
from typing import Annotated, get_args

import msgspec

from queries.metrics.catalogue import Metric
from queries.metrics.groupings import EVERYBODY, GroupBy
from queries.read_models.members import Members
from queries.service.arguments import argument
from queries.service.statements import load_statements

MembersAsked = Annotated[
    Members | None,
    argument("Companies as classified today, or then: at as_of (the default with it).", example="then"),
]


def members_meant(members: Members | None, *, as_of: datetime | None) -> Members:
    """Who the members are, said or not."""
    return members or ("then" if as_of else "today")


def not_for(metric: Metric) -> str:
    """The kinds of companies that do not count by a metric, as statements are told: with blanks between."""
    return " ".join(metric.not_for)


def statements_by_members(file_name: str) -> dict[Members, dict[str, bytes]]:
    """
    This will read the statements of a file for both kinds of members.

    Where a company's class is wanted they name `class_{members}`: one of two functions beside the tables.
    """
    statements = load_statements(file_name)
    return {
        members: {name: text.replace(b"{members}", members.encode()) for name, text in statements.items()}
        for members in get_args(Members)
    }


class Classed(msgspec.Struct, frozen=True, kw_only=True):
    """What puts a company into groups."""

    sector: str | None
    industry: str | None
    major_group: str | None
    country: str | None
    size_class: str | None

    def group(self, group_by: GroupBy) -> str | None:
        """The group of a kind it is in; None where it is in none."""
        keys: dict[GroupBy, str | None] = {
            "all": EVERYBODY,
            "sector": self.sector,
            "major_group": self.major_group,
            "industry": self.industry,
            "country": self.country,
            "size_class": self.size_class,
        }
        return keys[group_by]
