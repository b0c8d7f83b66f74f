"""Which state of the tables a snapshot shows."""

import msgspec

from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("state.sql")


class _State(msgspec.Struct, frozen=True):
    state: str


async def state_of(snapshot: Snapshot) -> str:
    """This will name the state of the tables: while the name is the same, every answer is."""
    (found,) = await snapshot.fetch(_State, _SQL["state"], {"version": snapshot.version})
    return f"{snapshot.version} {snapshot.freshness.seq} {found.state}"


class _Settled(msgspec.Struct, frozen=True):
    settled: bool


async def is_settled(snapshot: Snapshot) -> bool:
    """Whether the tables stand exactly where their freshness says: nothing was folded that it does not tell of."""
    freshness = snapshot.freshness
    (found,) = await snapshot.fetch(
        _Settled,
        _SQL["settled"],
        {"version": snapshot.version, "position": freshness.position, "parked": freshness.parked},
    )
    return found.settled
