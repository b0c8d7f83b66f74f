"""One look at the database for everybody who listens to changes."""

import asyncio
import logging
from typing import Protocol

from queries.connections import ReadSources
from queries.errors import QueryError
from queries.service.change_page import ChangePage, changes_after
from queries.service.change_place import Place
from queries.service.change_query import EVERYTHING, Wanted

logger = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.2
"""How often the position is looked at while somebody listens."""
PAGE_CHANGES = 200
READ_AT_ONCE = 2
"""So many of those who catch up read at the same time; the connections left are for questions."""


class Listener(Protocol):
    """Somebody who is told of changes as they become readable. `tell` must not wait."""

    def tell(self, page: ChangePage) -> None: ...


class ChangeFollower:
    """
    Reads each change once, however many listen.

    # Note [nothing left out, nothing twice]
    Whoever listens reads for himself up to where the follower stands, and joins only if it still stands there: both
    are looked at under one lock, which the follower holds from the first page of a round to the last.
    """

    def __init__(self, sources: ReadSources) -> None:
        self._sources = sources
        self._listeners: set[Listener] = set()
        self._place = Place(0)
        self._round = asyncio.Lock()
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self._following: asyncio.Task[None] | None = None

    async def catch_up(self, wanted: Wanted, place: Place) -> ChangePage:
        """
        This will read the next changes behind a place, no further than the follower stands.

        Raises:
            QueryError: the tables cannot be read.
        """
        async with self._reading, self._sources.snapshot() as snapshot:
            shown = snapshot.freshness.position
            # The follower may have gone on while the snapshot was taken.
            stands = min(self._place.complete_to, shown) if self._listeners else shown
            return await changes_after(snapshot, wanted, place, limit=PAGE_CHANGES, up_to=max(stands, place.told_at))

    async def join(self, listener: Listener, place: Place) -> bool:
        """This will tell a listener of all that comes after a place; False where the follower stands elsewhere."""
        async with self._round:
            if not self._listeners:
                self._place = place
            elif self._place < place:
                await self._tell_round()
            if self._place != place:
                return False
            self._listeners.add(listener)
            if self._following is None:
                self._following = asyncio.create_task(self._follow())
            return True

    def leave(self, listener: Listener) -> None:
        """This will tell a listener nothing more."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """This will end the following."""
        if self._following is not None:
            self._following.cancel()

    async def _follow(self) -> None:
        try:
            while self._listeners:
                await asyncio.sleep(FOLLOW_SECONDS)
                async with self._round:
                    try:
                        await self._tell_round()
                    except QueryError:
                        pass  # told from the same place once the database is back
                    except Exception:
                        logger.exception("changes could not be read")
        finally:
            self._following = None

    async def _tell_round(self) -> None:
        async with self._sources.snapshot() as snapshot:
            newest = Place(snapshot.freshness.position)
            while self._listeners and self._place < newest:
                page = await changes_after(snapshot, EVERYTHING, self._place, limit=PAGE_CHANGES)
                self._place = page.reached
                for listener in tuple(self._listeners):
                    listener.tell(page)
