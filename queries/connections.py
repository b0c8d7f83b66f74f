"""The servers the read side asks, and how it holds on to them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import msgspec
import psycopg
import psycopg_pool
import redis.asyncio
import redis.exceptions
from psycopg.rows import class_row
from redis.commands.core import AsyncScript

from queries.background import Background
from queries.errors import QueryError, not_placed, not_reached, unavailable, unknown_token
from queries.event_token import EventToken
from queries.kept import Kept
from queries.service.statements import load_statements

logger = logging.getLogger(__name__)

_SQL = load_statements("connections.sql", "queries")

POOL_CONNECTIONS = 8
POOL_WAIT_SECONDS = 5.0
WATCH_SECONDS = 0.01
"""How often the position is looked at while somebody waits for one."""
STATEMENT_TIMEOUT_MS = 5_000
REDIS_TIMEOUT_SECONDS = 0.25
REDIS_REST_SECONDS = 1.0
"""How long a Redis that failed is left alone before it is asked again."""

COLUMN_MEMBERS = 400_000
"""How many values a process keeps in memory for screens, each in some 150 bytes."""

EPOCH_KEY = "{ff}:epoch"
"""Names the epoch of what Redis holds; keys of any other count for nothing."""

_REDIS_IS_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError, asyncio.IncompleteReadError)

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

_Pool = psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[Any]]


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
        await cursor.execute(statement, parameters)
        while part := await cursor.fetchmany(size):
            yield part
            await asyncio.sleep(0)

    async def fetch[R](self, row: type[R], statement: bytes, parameters: Mapping[str, Any]) -> list[R]:
        """This will run a statement and give its rows as `row`, whose field names are the statement's columns."""
        cursor = self._connection.cursor(row_factory=class_row(row))
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()

    async def fetch_each[R](self, row: type[R], asked: Sequence[tuple[bytes, Mapping[str, Any]]]) -> list[list[R]]:
        """This will run statements in one round trip and give the rows of each, all of them as `row`."""
        async with self._connection.pipeline():
            cursors = [self._connection.cursor(row_factory=class_row(row)) for _ in asked]
            for cursor, (statement, parameters) in zip(cursors, asked, strict=True):
                await cursor.execute(statement, parameters)
            return [await cursor.fetchall() for cursor in cursors]


class KeyReader:
    """
    Reads keys from Redis; whatever is asked for while one command is under way goes into the next one together.

    Thirty-two readers of one key cost one command, not thirty-two, and every reader still sees its keys at one moment.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._waiting: list[tuple[tuple[str, ...], asyncio.Future[list[bytes | None]]]] = []
        self._reading: asyncio.Task[None] | None = None

    async def read(self, keys: tuple[str, ...]) -> list[bytes | None]:
        """
        This will read keys at one moment.

        Raises:
            redis.exceptions.RedisError, OSError: Redis cannot be asked.
        """
        answer: asyncio.Future[list[bytes | None]] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, answer))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_waiting())
        return await answer

    async def close(self) -> None:
        """This will end what is under way and give the connection back."""
        if self._reading is not None:
            self._reading.cancel()
        await self._client.aclose()

    async def _read_waiting(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting, []
                wanted = list(dict.fromkeys(key for keys, _ in together for key in keys))
                try:
                    found = dict(zip(wanted, await self._client.mget(wanted), strict=True))
                except Exception as error:
                    for _, answer in together:
                        if not answer.done():
                            answer.set_exception(error)
                    continue
                for keys, answer in together:
                    if not answer.done():
                        answer.set_result(cast("list[bytes | None]", [found[key] for key in keys]))
        finally:
            self._reading = None


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


class ReadSources:
    """Connections to the read tables and to Redis, made once a process by `open()`."""

    def __init__(self, settings: ReadSettings) -> None:
        self.settings = settings
        self._pool: _Pool | None = None
        self._redis: KeyReader | None = None
        self._client: redis.asyncio.Redis | None = None
        self._scripts: dict[bytes, AsyncScript] = {}
        self._redis_rests_until = 0.0
        self.version: int | None = None
        """The version of the figures that was live when a snapshot was last taken."""
        self.redis_epoch: str | None = None
        self.pool_wait_seconds = POOL_WAIT_SECONDS
        self._awaited: list[_Awaited] = []
        self._watching: asyncio.Task[None] | None = None
        self._seen_position = 0
        self._giving_back: set[asyncio.Task[None]] = set()
        self.background = Background()
        self.under_way: dict[str, asyncio.Task[Any]] = {}
        """Answers that are being worked out, by the keys they will be kept under."""
        self.columns: Kept[Any, Any] = Kept(most=COLUMN_MEMBERS)
        """Columns of the frames, by all that tells whether they still stand."""

    async def open(self) -> None:
        """This will make the pools without waiting for the servers; a server that is away is found out by use."""
        self._pool = psycopg_pool.AsyncConnectionPool(
            self.settings.database_url,
            min_size=1,
            max_size=POOL_CONNECTIONS,
            timeout=self.pool_wait_seconds,
            open=False,
            name="read",
            kwargs={
                "autocommit": True,
                "options": _SESSION,
            },
        )
        await self._pool.open(wait=False)
        client = redis.asyncio.Redis.from_url(
            self.settings.redis_url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            protocol=2,
            retry=None,
        )
        self._client, self._redis = client, KeyReader(client)

    async def close(self) -> None:
        """This will give every connection back."""
        await self.background.close()
        if under_way := list(self.under_way.values()):
            for task in under_way:
                task.cancel()
            await asyncio.wait(under_way)
        if self._watching is not None:
            self._watching.cancel()
        if self._giving_back:
            await asyncio.wait(self._giving_back)
        if self._pool is not None:
            await self._pool.close()
        if self._redis is not None:
            await self._redis.close()

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
                cursor = connection.cursor(row_factory=class_row(row))
                await cursor.execute(statement, parameters)
                return await cursor.fetchall()
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

    async def remembered(self, *keys: str) -> list[bytes | None] | None:
        """
        This will read keys from Redis at one moment; None when Redis cannot be asked.

        A failure is remembered for a second, in which nobody waits for Redis again.
        """
        if self._redis is None or time.monotonic() < self._redis_rests_until:
            return None
        try:
            return await self._redis.read(keys)
        except _REDIS_IS_AWAY as error:
            self._leave_redis_alone(error)
            return None

    async def run_in_redis(self, script: bytes, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        """
        This will run a script in Redis and give what it returns; None when Redis cannot be asked, as in `remembered`.
        """
        if self._client is None or time.monotonic() < self._redis_rests_until:
            return None
        try:
            if script not in self._scripts:
                self._scripts[script] = self._client.register_script(script)
            return await self._scripts[script](keys=keys, args=arguments)
        except _REDIS_IS_AWAY as error:
            self._leave_redis_alone(error)
            return None

    async def live_epoch(self) -> str | None:
        """The epoch of what Redis holds, as it was when last asked; None if there is none or Redis is away."""
        if self.redis_epoch is None:
            found = await self.remembered(EPOCH_KEY)
            if found is not None and found[0] is not None:
                self.redis_epoch = found[0].decode()
        return self.redis_epoch

    def _leave_redis_alone(self, error: BaseException) -> None:
        self._redis_rests_until = time.monotonic() + REDIS_REST_SECONDS
        logger.warning("redis cannot be asked, the tables answer: %s", error)

    async def reach(self, wanted: EventToken | int) -> int:
        """
        This will wait until the tables have come to a position, or to that of an event, and give it; for at most the
        installation's bound.

        Raises:
            QueryError: the bound passed first, or there is no such event.
        """
        awaited = _Awaited(wanted)
        await self._look_for([awaited])
        if not awaited.arrival.done():
            self._awaited.append(awaited)
            if self._watching is None:
                self._watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(self.settings.min_position_wait_ms / 1000):
                return await awaited.arrival
        except TimeoutError:
            raise awaited.not_there(reached=self._seen_position) from None

    async def _look_for(self, awaited: Sequence["_Awaited"]) -> None:
        """Lets those go on whose position the tables have come to."""
        unplaced = [each for each in awaited if each.position is None]
        async with self.snapshot() as snapshot:
            reached = self._seen_position = snapshot.freshness.position
            events: list[_Event] = []
            if unplaced:
                events = await snapshot.fetch(_Event, _SQL["events"], {"ids": [each.event_id for each in unplaced]})
        placed = {event.id: event.position for event in events}
        for each in unplaced:
            each.is_known, each.position = each.event_id in placed, placed.get(each.event_id)
        for each in awaited:
            if each.position is not None and each.position <= reached and not each.arrival.done():
                each.arrival.set_result(each.position)

    async def _watch(self) -> None:
        """Looks at the position for everybody who waits, until nobody does."""
        try:
            while self._awaited:
                await asyncio.sleep(WATCH_SECONDS)
                self._awaited = [awaited for awaited in self._awaited if not awaited.arrival.done()]
                try:
                    await self._look_for(self._awaited)
                except QueryError as error:
                    for awaited in self._awaited:
                        if not awaited.arrival.done():
                            awaited.arrival.set_exception(error)
        finally:
            self._watching = None


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
            await connection.execute(b"rollback")
    except psycopg.Error as error:
        logger.warning("a connection to the database was lost while it was given back: %s", error)
    finally:
        await pool.putconn(connection)


class HeldSources(ReadSources):
    """Answers every question from one snapshot that somebody else holds, and from nothing else."""

    def __init__(self, settings: ReadSettings, snapshot: Snapshot) -> None:
        super().__init__(settings)
        self._held = snapshot

    @asynccontextmanager
    async def snapshot(self, *, plans_once: bool = False) -> AsyncIterator[Snapshot]:
        """This will give the snapshot that is held; it stays open after the block, and plans as it did."""
        yield self._held


async def _open_snapshot(connection: psycopg.AsyncConnection[Any], opening: bytes) -> Snapshot:
    try:
        cursor = await connection.execute(opening, prepare=False)
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
