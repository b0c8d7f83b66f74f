"""Waiting until the tables have come to a position of the log."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import msgspec

from queries.errors import QueryError, not_placed, not_reached, unavailable, unknown_token
from queries.event_token import EventToken
from queries.service.statements import load_statements
from queries.tables import Snapshot

_SQL = load_statements("positions.sql", "queries")

WATCH_SECONDS = 0.01
"""How often the position is looked at while somebody waits for one."""


class _Event(msgspec.Struct, frozen=True):
    id: int
    position: int | None


class _Awaited:
    """A position somebody waits for; that of an event is None until the log has it."""

    def __init__(self, wanted: EventToken | int) -> None:
        self.event_id = wanted.event_id if isinstance(wanted, EventToken) else 0
        self.position = None if isinstance(wanted, EventToken) else wanted
        self.is_known = False
        self.arrival: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def not_there(self, *, reached: int) -> QueryError:
        """Why the wait was in vain."""
        if self.position is not None:
            return not_reached(self.position, reached=reached)
        token = EventToken(self.event_id).text
        return not_placed(token, reached=reached) if self.is_known else unknown_token(token)


class Positions:
    """The position of the tables, looked at in snapshots on behalf of everybody who waits for one."""

    def __init__(self, snapshot: Callable[[], AbstractAsyncContextManager[Snapshot]], *, patience_ms: int) -> None:
        self._snapshot = snapshot
        self._patience_ms = patience_ms
        self._awaited: list[_Awaited] = []
        self._looking: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._seen = 0

    def close(self) -> None:
        """This will look no more."""
        for task in (*self._looking, *([self._watching] if self._watching else [])):
            task.cancel()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._awaited)

    async def reach(self, wanted: EventToken | int) -> int:
        """
        This will wait until the tables have come to a position, or to that of an event, and give it; for at most the
        installation's bound, however long a look takes.

        Raises:
            QueryError: the bound passed first, or there is no such event.
        """
        awaited = _Awaited(wanted)
        # A look that is given up would still hold whoever asked until the database has let go of it.
        looking = asyncio.create_task(self._begin(awaited))
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)
        try:
            async with asyncio.timeout(self._patience_ms / 1000):
                return await awaited.arrival
        except TimeoutError:
            if not looking.done():
                raise unavailable("the database has not said in time how far the figures have come") from None
            raise awaited.not_there(reached=self._seen) from None

    async def _begin(self, awaited: _Awaited) -> None:
        """Looks once, and has the watch look on where that was too early."""
        await self._look_on([awaited])
        if not awaited.arrival.done():
            self._awaited.append(awaited)
            if self._watching is None:
                self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Looks at the position for everybody who waits, until nobody does."""
        try:
            while self._awaited:
                await asyncio.sleep(WATCH_SECONDS)
                self._awaited = [awaited for awaited in self._awaited if not awaited.arrival.done()]
                await self._look_on(self._awaited)
        finally:
            self._watching = None

    async def _look_on(self, awaited: Sequence[_Awaited]) -> None:
        """Lets those go on whose position the tables have come to, or all where that cannot be found out."""
        try:
            await self._look_for(awaited)
        except QueryError as error:
            for each in awaited:
                if not each.arrival.done():
                    each.arrival.set_exception(error)

    async def _look_for(self, awaited: Sequence[_Awaited]) -> None:
        unplaced = [each for each in awaited if each.position is None]
        async with self._snapshot() as snapshot:
            reached = self._seen = snapshot.freshness.position
            events: list[_Event] = []
            if unplaced:
                events = await snapshot.fetch(_Event, _SQL["events"], {"ids": [each.event_id for each in unplaced]})
        placed = {event.id: event.position for event in events}
        for each in unplaced:
            each.is_known, each.position = each.event_id in placed, placed.get(each.event_id)
        for each in awaited:
            if each.position is not None and each.position <= reached and not each.arrival.done():
                each.arrival.set_result(each.position)
