"""What is said of groups in which nobody has a value."""

import difflib
from collections.abc import Mapping
from datetime import datetime

from queries.metrics.groupings import EVERYBODY
from queries.read_models.members import Members
from queries.service.cells import Cell
from queries.service.columns import read_groups
from queries.tables import Snapshot

_FEW = 12
"""So many groups are all named where none is spelled like the one asked for: more than there are sectors."""


def groups_like(key: str, there: Mapping[str, str]) -> str:
    """
    Which groups a word may stand for, as the end of a remark: those spelled like it, or else all, where they are few.

    `there` are all groups of the kind, by their key in small letters.
    """
    near = difflib.get_close_matches(key.lower()[:60], there, n=3, cutoff=0.4)
    if not near and len(there) <= _FEW:
        near = sorted(there)
    return f"; there is {', '.join(there[each] for each in near)}" if near else ""


async def nobody_has(snapshot: Snapshot, cell: Cell, *, group: str, members: Members, as_of: datetime | None) -> str:
    """What is to be said where nobody of a group, or nobody at all, has a value."""
    has = f"has {cell.metric} in {cell.unit} for {cell.period}"
    if cell.group_by == EVERYBODY:
        return f"no company {has}"
    # Without an instant members of then are of several; the groups of today are near enough for a hint.
    there = await read_groups(snapshot, cell.group_by, members=members if as_of else "today", as_of=as_of)
    hint = "" if group in there else groups_like(group, {key.lower(): key for key in there})
    return f"no company of {cell.group_by} {group!r} {has}{hint}"
