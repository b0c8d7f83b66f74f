"""
Cells, and since when each is as it is: what everything that is kept of them has to be held against.

# Note [what is kept of a cell is never older than the tables]
A reader asks the tables first, in the snapshot that gives its answer the position, since which refresh C the cell is as
it is. Frames are written by refreshes alone, and a refresh names the cells it changed in `aggregate_change`, with its
own number. Where changes of a cell are not recorded, C is the last refresh. What is kept was read in one snapshot and
is labelled with C as it is there, so it holds what C left; only a reader whose own C is that label uses it.
It is also kept under the epoch of what Redis holds, read before the snapshot it comes from: tables restored to an
earlier state begin a new epoch, and do not meet what was kept of their former future; docs/guarantees.md names the one
case in which an epoch is not begun.
"""

from collections.abc import Collection

import msgspec

from queries.metrics.groupings import GroupBy
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("cells.sql")


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One metric in one calendar period under one grouping."""

    metric: str
    period: str
    unit: str
    group_by: GroupBy


class _Since(msgspec.Struct, frozen=True):
    seq: int


async def unchanged_since(snapshot: Snapshot, cells: Collection[Cell]) -> dict[Cell, int]:
    """The refresh since which each cell is as it is; to be asked before anything kept of a cell is read."""
    asked = {
        "metrics": [cell.metric for cell in cells],
        "periods": [cell.period for cell in cells],
        "group_bys": [cell.group_by for cell in cells],
    }
    found = await snapshot.fetch(_Since, _SQL["unchanged_since"], asked)
    return {cell: since.seq for cell, since in zip(cells, found, strict=True)}
