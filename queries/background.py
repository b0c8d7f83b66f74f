"""Work that nobody waits for."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable

logger = logging.getLogger(__name__)

MAX_WAITING = 200
"""What is begun while so many pieces wait is dropped: whoever misses its outcome begins it again."""


class Background:
    """Does one piece of work after the other on the event loop, each known by a key and waiting only once."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Callable[[], Coroutine[None, None, None]]] = {}
        self._working: asyncio.Task[None] | None = None

    def begin(self, key: Hashable, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """This will have a piece of work done as soon as those before it are; what it raises is only logged."""
        if len(self._waiting) < MAX_WAITING:
            self._waiting.setdefault(key, work)
        if self._working is None:
            self._working = asyncio.create_task(self._work())

    async def settled(self) -> None:
        """This will return once nothing waits."""
        while self._working is not None:
            await asyncio.wait([self._working])

    async def close(self) -> None:
        """This will end what is under way and forget what waits."""
        self._waiting.clear()
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        try:
            while self._waiting:
                key = next(iter(self._waiting))
                try:
                    await self._waiting[key]()
                except Exception:
                    logger.exception("what was to be done beside the answers failed: %s", key)
                finally:
                    self._waiting.pop(key, None)
        finally:
            self._working = None
