"""Keys as requests look for them: from memory for some seconds, then from the database, and never from a thread."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec
import psycopg
from psycopg.rows import class_row

from commands.sql import load_statements
from config.access.errors import KeysUnavailable
from config.access.keys import ApiKey

logger = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
"""For so long a key that was looked up is taken to be as it was found, or not to be there."""
MOST_KEPT = 10_000
DATABASE_SECONDS = 2

_SQL = load_statements("config.access", "key_lookup.sql")


class _Kept(msgspec.Struct, frozen=True):
    key: ApiKey | None
    looked_up_at: float


class KeyLookup:
    """
    Finds keys over one connection of its own, which is made when it is first needed and anew when it was lost.

    One statement is under way at a time: however many keys are made up, the database is asked about one after the
    other, and who has waited too long is told so.
    """

    def __init__(self, database_url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database_url = database_url
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._asking = asyncio.Lock()
        self._connection: psycopg.AsyncConnection | None = None

    async def find(self, prefix: str) -> ApiKey | None:
        """
        This will give the key with a prefix as it is, or was some seconds ago; None where there is none.

        Raises:
            KeysUnavailable: the database does not say.
        """
        kept = self._still_kept(prefix)
        if kept is None:
            try:
                async with asyncio.timeout(DATABASE_SECONDS + 1), self._asking:
                    kept = self._still_kept(prefix) or self._keep(prefix, await self._look_up(prefix))
            except (psycopg.Error, OSError, TimeoutError) as error:
                logger.warning("no key can be looked up: %s", str(error).strip() or type(error).__name__)
                raise KeysUnavailable from None
        return kept.key

    async def close(self) -> None:
        """This will give the connection back."""
        if self._connection is not None:
            await self._connection.close()

    def _still_kept(self, prefix: str) -> _Kept | None:
        kept = self._kept.get(prefix)
        return kept if kept is not None and self._clock() - kept.looked_up_at < KEPT_SECONDS else None

    def _keep(self, prefix: str, key: ApiKey | None) -> _Kept:
        self._kept.pop(prefix, None)
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]  # the one looked up longest ago
        kept = self._kept[prefix] = _Kept(key, self._clock())
        return kept

    async def _look_up(self, prefix: str) -> ApiKey | None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                return await self._ask(connection, prefix)
            except psycopg.OperationalError as error:
                logger.info("the connection for keys is made anew: %s", error)
        connect = psycopg.AsyncConnection.connect
        return await self._ask(
            await connect(
                self._database_url,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=DATABASE_SECONDS,
                options=f"-c statement_timeout={DATABASE_SECONDS * 1000}",
                application_name="factfold-keys",
            ),
            prefix,
        )

    async def _ask(self, connection: psycopg.AsyncConnection, prefix: str) -> ApiKey | None:
        try:
            cursor = await connection.cursor(row_factory=class_row(ApiKey)).execute(
                _SQL["by_prefix"], {"prefix": prefix}
            )
            found = await cursor.fetchone()
        except BaseException:
            # Also where the asker has gone: in which state it is left is not looked into.
            await connection.close()
            raise
        self._connection = connection
        return found
