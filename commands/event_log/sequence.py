"""
Placing committed events in the log.

# Note [sequencer order]

Positions are given out after commit, by one statement that takes the smallest pending ids it can see.

* Nothing is skipped: there is no cursor. An event that commits late, whatever its id, is still pending and
  gets a later position.
* Nothing is swapped inside a stream: ids are drawn under the stream's lock (see Note [append order]), so an
  event is inserted only after its predecessor has committed. A snapshot that shows the one shows the other, and
  the predecessor's id is smaller.
* Positions are dense: they are `max(position) + row_number()` in the snapshot that also claims the rows, and
  come into being with the claim in one transaction. A rollback or a killed process leaves the rows pending.
* The advisory lock only spares two sequencers useless work. If both ran at once, the primary key of the log
  and its unique event would make the second one fail and try again. The lock is taken in a statement of its
  own: the claiming statement must take its snapshot after the lock is held.
* No transaction id is stored, so a dump restored elsewhere goes on where it stood. A transaction left open for
  minutes delays its own events and nobody else's.
"""

import time

import psycopg

from commands.sql import load_statements
from commands.tracing import MOST_LINKS, Origin, is_tracing, record_span

_SQL = load_statements("commands.event_log", "sequence.sql")
_LOCK = 0x5345_5155_454E_4345
"""The word SEQUENCE in ASCII: one sequencer per database at a time."""


def sequence_pending(connection: psycopg.Connection, *, limit: int = 2000) -> int:
    """
    This will place up to `limit` committed events at the end of the log and return how many it placed.

    Returns 0 when nothing is pending or another process is sequencing. Call it with an autocommit connection;
    each call is a transaction of its own.
    """
    begun_ns = time.time_ns()
    origins: list[Origin] = []
    # Mostly there is nothing, and one statement tells; so the sequencer can look often.
    waiting = connection.execute(_SQL["is_anything_pending"]).fetchone()
    if waiting is None or not waiting[0]:
        return 0
    with connection.transaction():
        locked = connection.execute(_SQL["become_sequencer"], {"lock": _LOCK}).fetchone()
        if locked is None or not locked[0]:
            return 0
        row = connection.execute(_SQL["sequence_pending"], {"limit": limit}).fetchone()
        placed = 0 if row is None else int(row[0])
        if placed and is_tracing():
            found = connection.execute(_SQL["newest_traces"], {"placed": placed, "most": MOST_LINKS})
            origins = [Origin(*row) for row in found]
    if placed:
        record_span("sequence", origins, begun_ns=begun_ns, attributes={"factfold.events": placed})
    return placed
