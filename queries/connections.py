"""The servers the read side asks, and what a process keeps of their answers."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from queries.background import Background
from queries.kept import Kept
from queries.positions import Positions
from queries.redis_reader import RedisReader
from queries.tables import Snapshot, Tables

COLUMN_MEMBERS = 400_000
"""How many values a process keeps in memory for screens, each in some 150 bytes."""


class ReadSettings(Protocol):
    """What the read side has to know of an installation."""

    @property
    def database_url(self) -> str: ...
    @property
    def redis_url(self) -> str: ...
    @property
    def anonymous(self) -> Collection[str]: ...
    @property
    def allowed_hosts(self) -> tuple[str, ...]: ...
    @property
    def min_position_wait_ms(self) -> int: ...


class ReadSources:
    """Connections to the read tables and to Redis, made once a process by `open()`."""

    def __init__(self, settings: ReadSettings) -> None:
        self.settings = settings
        self.tables = Tables(settings.database_url)
        self.redis = RedisReader(settings.redis_url)
        self.positions = Positions(self.snapshot, patience_ms=settings.min_position_wait_ms)
        self.background = Background()
        self.under_way: dict[str, asyncio.Task[Any]] = {}
        """Answers that are being worked out, by the keys they will be kept under."""
        self.columns: Kept[Any, Any] = Kept(most=COLUMN_MEMBERS)
        """Columns of the frames, by all that tells whether they still stand."""

    async def open(self) -> None:
        """This will get ready without waiting for the servers; a server that is away is found out by use."""
        await self.tables.open()
        self.redis.open()

    async def close(self) -> None:
        """This will give every connection back."""
        await self.background.close()
        if under_way := list(self.under_way.values()):
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)
        self.positions.close()
        await self.tables.close()
        await self.redis.close()

    def snapshot(self, *, plans_once: bool = False) -> AbstractAsyncContextManager[Snapshot]:
        """This will hold one view of the live figures, as `Tables.snapshot` says."""
        return self.tables.snapshot(plans_once=plans_once)


class HeldSources(ReadSources):
    """Answers every question from one snapshot that somebody else holds, and from nothing else."""

    def __init__(self, settings: ReadSettings, snapshot: Snapshot) -> None:
        super().__init__(settings)
        self._held = snapshot

    @asynccontextmanager
    async def snapshot(self, *, plans_once: bool = False) -> AsyncIterator[Snapshot]:
        """This will give the snapshot that is held; it stays open after the block, and plans as it did."""
        yield self._held
