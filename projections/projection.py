"""What a projection is: a fold of the log into read tables."""

from collections.abc import Callable, Sequence

import msgspec
import psycopg

from commands.messages import RecordedEvent

Fold = Callable[[psycopg.Connection, Sequence[RecordedEvent]], None]


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    """
    One read model and the way events get into it.

    `fold` writes the effect of events of one shard, in log order, inside the caller's transaction. It must give the
    same tables for any division of the log into batches. Version n lives in a schema of its own, `schema`.
    """

    name: str
    version: int
    fold: Fold

    @property
    def schema(self) -> str:
        return f"{self.name}_v{self.version}"
