"""The read tables, asked in snapshots over a pool of connections."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import psycopg_pool
from psycopg.rows import class_row

from queries.errors import QueryError, unavailable

logger = logging.getLogger(__name__)

POOL_CONNECTIONS = 8
POOL_WAIT_SECONDS = 5.0
STATEMENT_TIMEOUT_MS = 5_000

# One round trip: the snapshot, the schema of the live version, and how fresh it is. The schema is looked up inside the
# snapshot, so an answer never mixes two versions of a projection.
_OPEN_SNAPSHOT = b"""
begin isolation level repeatable read read only;
select version, set_config('search_path', 'figures_v' || version, true),
    set_config('plan_cache_mode', '%b', true)
from projections.projection where name = 'figures' and state = 'live';
select seq, position, fresh_at, lag_ms, parked from freshness;
"""
_PLANS_EACH_TIME = _OPEN_SNAPSHOT % b"auto"
# To plan a statement anew for each question can take as long as to run it.
_PLANS_ONCE = _OPEN_SNAPSHOT % b"force_generic_plan"
_SESSION = (
    f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_MS} -c jit=off -c plan_cache_mode=force_generic_plan"
)

_SILENT_MS = 2 * STATEMENT_TIMEOUT_MS
"""A server that was stopped, or whose host has vanished, says nothing, not even that a statement took too long."""

_GIVING_UP = {
    "connect_timeout": 5,
    "tcp_user_timeout": _SILENT_MS,
    "keepalives_idle": STATEMENT_TIMEOUT_MS // 1000,
    "keepalives_interval": 1,
    "keepalives_count": STATEMENT_TIMEOUT_MS // 1000,
}

_Pool = psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[Any]]


class Freshness(msgspec.Struct, frozen=True):
    """How far the tables have come in a snapshot."""

    seq: int
    position: int
    fresh_at: datetime
    lag_ms: int
    parked: int


class Snapshot:
    """One unchanging view of the read tables; `version` is that of the live figures."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], *, freshness: Freshness, version: int) -> None:
        self._connection = connection
        self.freshness = freshness
        self.version = version

    async def fetch_in_parts[R](
        self, row: type[R], statement: bytes, parameters: Mapping[str, Any], *, size: int
    ) -> AsyncIterator[list[R]]:
        """This will give the rows of a statement `size` at a time, so that others are answered in between."""
        cursor = self._connection.cursor(row_factory=class_row(row))
        await _said(cursor.execute(statement, parameters))
        while part := await cursor.fetchmany(size):
            yield part
            await asyncio.sleep(0)

    async def fetch[R](self, row: type[R], statement: bytes, parameters: Mapping[str, Any]) -> list[R]:
        """This will run a statement and give its rows as `row`, whose field names are the statement's columns."""
        return await _fetched(self._connection, row, statement, parameters)

    async def fetch_each[R](self, row: type[R], asked: Sequence[tuple[bytes, Mapping[str, Any]]]) -> list[list[R]]:
        """This will run statements in one round trip and give the rows of each, all of them as `row`."""
        return await _said(self._fetch_each(row, asked))

    async def _fetch_each[R](self, row: type[R], asked: Sequence[tuple[bytes, Mapping[str, Any]]]) -> list[list[R]]:
        async with self._connection.pipeline():
            cursors = [self._connection.cursor(row_factory=class_row(row)) for _ in asked]
            for cursor, (statement, parameters) in zip(cursors, asked, strict=True):
                await cursor.execute(statement, parameters)
            return [await cursor.fetchall() for cursor in cursors]


class Tables:
    """Connections to the read tables, made by `open()`; before that and without it there are none."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._pool: _Pool | None = None
        self._giving_back: set[asyncio.Task[None]] = set()
        self.wait_seconds = POOL_WAIT_SECONDS
        """How long a question waits for a connection; read by `open()`."""
        self.version: int | None = None
        """The version of the figures that was live when a snapshot was last taken."""

    async def open(self) -> None:
        """This will make the pool without waiting for the server; one that is away is found out by use."""
        self._pool = psycopg_pool.AsyncConnectionPool(
            self._database_url,
            min_size=1,
            max_size=POOL_CONNECTIONS,
            timeout=self.wait_seconds,
            open=False,
            name="read",
            kwargs={"autocommit": True, "options": _SESSION, **_GIVING_UP},
        )
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """This will give every connection back."""
        if self._giving_back:
            await asyncio.wait(self._giving_back)
        if self._pool is not None:
            await self._pool.close()

    @asynccontextmanager
    async def snapshot(self, *, plans_once: bool = False) -> AsyncIterator[Snapshot]:
        """
        This will hold one repeatable-read view of the live figures for the time of the block.

        Whoever asked does not wait until the view is let go. With `plans_once` a connection plans each statement once,
        whatever it is asked with: for statements whose plan is the same for every question.

        Raises:
            QueryError: the database is away, too slow, or has no live figures yet.
        """
        pool = self._pool
        if pool is None:
            raise RuntimeError("open() comes before the first question")
        with _told_as_problems():
            connection, snapshot = await _taken(pool, _PLANS_ONCE if plans_once else _PLANS_EACH_TIME)
            self.version = snapshot.version
            try:
                yield snapshot
            finally:
                self._give_back(pool, connection)

    async def fetch_alone[R](self, row: type[R], statement: bytes, parameters: Mapping[str, Any]) -> list[R] | None:
        """
        This will run one statement that needs no snapshot, since it is one by itself, and give its rows as `row`.

        It names the tables with their schema, and is planned once for every question. None where it cannot be run as it
        stands, because the connection was lost or the tables have gone with their version: a snapshot can then still be
        had, or says what is wrong.

        Raises:
            QueryError: the database is too slow or has no connection to spare.
        """
        pool = self._pool
        if pool is None:
            return None
        with _told_as_problems():
            connection = await pool.getconn()
            try:
                return await _fetched(connection, row, statement, parameters)
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                return None
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if not connection.closed:
                    raise
                return None
            finally:
                await pool.putconn(connection)

    def _give_back(self, pool: _Pool, connection: psycopg.AsyncConnection[Any]) -> None:
        task = asyncio.create_task(_rolled_back(pool, connection))
        self._giving_back.add(task)
        task.add_done_callback(self._giving_back.discard)


@contextmanager
def _told_as_problems() -> Iterator[None]:
    try:
        yield
    except psycopg_pool.PoolTimeout as error:
        raise unavailable("the database has no connection to spare") from error
    except psycopg.errors.QueryCanceled as error:
        raise unavailable("the answer took longer than it may") from error
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        logger.warning("the database cannot be asked: %s", error)
        raise unavailable("the database cannot be reached") from error


async def _fetched[R](
    connection: psycopg.AsyncConnection[Any], row: type[R], statement: bytes, parameters: Mapping[str, Any]
) -> list[R]:
    cursor = connection.cursor(row_factory=class_row(row))
    await _said(cursor.execute(statement, parameters))
    return await cursor.fetchall()


async def _said[R](answer: Awaitable[R]) -> R:
    """What the server answers; where it says nothing at all, its connection is given up."""
    try:
        async with asyncio.timeout(_SILENT_MS / 1000):
            return await answer
    except TimeoutError:
        raise unavailable("the database says nothing") from None


async def _taken(pool: _Pool, opening: bytes) -> tuple[psycopg.AsyncConnection[Any], Snapshot]:
    """
    Takes a connection with a snapshot on it, from which nothing has been read yet.

    A connection that turns out to be dead was lost with a server that has gone, and the idle ones with it. They are
    replaced, and the question is asked once more; so nothing has to be checked as long as all is well.
    """
    dead: BaseException | None = None
    while True:
        connection = await pool.getconn()
        try:
            return connection, await _open_snapshot(connection, opening)
        except BaseException as error:
            again = connection.closed and isinstance(error, psycopg.OperationalError) and dead is None
            await pool.putconn(connection)
            if not again:
                raise
            dead = error
            await pool.check()


async def _rolled_back(pool: _Pool, connection: psycopg.AsyncConnection[Any]) -> None:
    try:
        if not connection.closed:
            await _said(connection.execute(b"rollback"))
    except (psycopg.Error, QueryError) as error:
        logger.warning("a connection to the database was lost while it was given back: %s", error)
    finally:
        await pool.putconn(connection)


async def _open_snapshot(connection: psycopg.AsyncConnection[Any], opening: bytes) -> Snapshot:
    try:
        cursor = await _said(connection.execute(opening, prepare=False))
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise _no_figures() from error
    cursor.nextset()
    live = await cursor.fetchone()
    cursor.nextset()
    fresh = await cursor.fetchone()
    if live is None or fresh is None:
        raise _no_figures()
    seq, position, fresh_at, lag_ms, parked = fresh
    freshness = Freshness(seq, position, fresh_at.astimezone(UTC), lag_ms, parked)
    return Snapshot(connection, freshness=freshness, version=live[0])


def _no_figures() -> QueryError:
    return QueryError(
        code="not_ready",
        message="there are no live figures yet",
        fix="Run the migrations and start a worker, then ask again.",
        retry_after_seconds=5,
    )
