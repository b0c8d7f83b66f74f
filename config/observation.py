"""How an installation stands, as one process sees it: log and projections, Redis, the queue."""

import asyncio
import time
from collections.abc import Sequence
from pkgutil import iter_modules

import msgspec
import psycopg
import redis.asyncio
from redis import Redis
from redis.exceptions import RedisError

import commands.migrations
import config.access.migrations
import projections.migrations
from commands.doorbells.depth import QueueDepth
from projections.redis_views import EPOCH_KEY, number_of, seq_key
from projections.vital_signs import VitalSigns, ask_vital_signs, read_vital_signs

CACHE_SECONDS = 1.0
DATABASE_SECONDS = 2
REDIS_SECONDS = 0.25
NO_TABLES = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName)
"""What PostgreSQL says where migrations have not been run."""


class RedisSigns(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which epoch Redis serves and which refresh it has reached; `reachable` is false when it does not answer.

    `behind_seconds` is for how long whoever looks has seen it stand there, behind the tables; 0 when it is not behind.
    """

    reachable: bool
    epoch: int | None = None
    seq: int | None = None
    behind_seconds: float = 0.0

    @property
    def word(self) -> str:
        """How this is told in one word: away, empty or live."""
        return "away" if not self.reachable else "empty" if self.epoch is None else "live"


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one look found. Without `signs` the database could not be asked; `missing_tables` says that it answered but
    migrations have not been run, `failure` what it said.
    """

    signs: VitalSigns | None
    redis: RedisSigns
    missing_tables: bool = False
    failure: str = ""
    queues: Sequence[QueueDepth] = ()


def expected_migrations() -> frozenset[str]:
    """This will name the migrations this code needs."""
    return frozenset(
        f"{package.__name__.split('.')[-2]}.{module.name}"
        for package in (config.access.migrations, commands.migrations, projections.migrations)
        for module in iter_modules(package.__path__)
    )


def connection_options() -> dict[str, str | int | bool]:
    """How a connection for looking is made: it gives up soon, and nothing is prepared on it."""
    return {
        "autocommit": True,
        "connect_timeout": DATABASE_SECONDS,
        "options": f"-c statement_timeout={DATABASE_SECONDS * 1000}",
        "application_name": "factfold-watch",
    }


class Watch:
    """Looks at the installation from an event loop at most once a second, however many ask, without any thread."""

    def __init__(self, *, database_url: str, redis_url: str) -> None:
        self._database_url = database_url
        self._redis_url = redis_url
        self._connection: psycopg.AsyncConnection | None = None
        self._redis: redis.asyncio.Redis | None = None
        self._looking: asyncio.Task[Observation] | None = None
        self._seen: Observation | None = None
        self._seen_at = 0.0
        self._behind: tuple[int | None, int | None] | None = None
        self._behind_since = 0.0

    async def look(self) -> Observation:
        """This will tell how the installation stands, or stood less than a second ago."""
        if self._seen is not None and time.monotonic() - self._seen_at < CACHE_SECONDS:
            return self._seen
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        return await asyncio.shield(self._looking)

    async def close(self) -> None:
        """This will give the connections back."""
        if self._looking is not None:
            self._looking.cancel()
        if self._connection is not None:
            await self._connection.close()
        if self._redis is not None:
            await self._redis.aclose()

    async def _look(self) -> Observation:
        try:
            redis_signs = await self._ask_redis()
            try:
                async with asyncio.timeout(DATABASE_SECONDS + 1):
                    seen = Observation(signs=await self._ask_database(), redis=redis_signs)
            except NO_TABLES as error:
                seen = Observation(signs=None, redis=redis_signs, missing_tables=True, failure=_first_line(error))
            except (psycopg.Error, OSError, TimeoutError) as error:
                await self._drop_connection()
                seen = Observation(signs=None, redis=redis_signs, failure=_first_line(error))
            self._seen, self._seen_at = self._noting_redis(seen), time.monotonic()
            return self._seen
        finally:
            self._looking = None

    def _noting_redis(self, seen: Observation) -> Observation:
        # Nothing tells when the refresh it lacks came about: others may have followed.
        found = seen.redis
        figures = seen.signs.figures if seen.signs else None
        if not found.reachable or figures is None or (found.seq or 0) >= figures.seq:
            self._behind = None
            return seen
        if self._behind != (found.epoch, found.seq):
            self._behind, self._behind_since = (found.epoch, found.seq), time.monotonic()
        told = msgspec.structs.replace(found, behind_seconds=time.monotonic() - self._behind_since)
        return msgspec.structs.replace(seen, redis=told)

    async def _ask_database(self) -> VitalSigns:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._database_url,
                **connection_options(),  # type: ignore[arg-type]  # a mapping of mixed options
            )
        return await ask_vital_signs(self._connection)

    async def _drop_connection(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _ask_redis(self) -> RedisSigns:
        if self._redis is None:
            self._redis = redis.asyncio.Redis.from_url(
                self._redis_url,
                socket_timeout=REDIS_SECONDS,
                socket_connect_timeout=REDIS_SECONDS,
                protocol=2,
                retry=None,
            )
        try:
            epoch = number_of(await self._redis.get(EPOCH_KEY))
            seq = None if epoch is None else number_of(await self._redis.get(seq_key(epoch)))
        except (RedisError, OSError, TimeoutError, asyncio.IncompleteReadError):
            return RedisSigns(reachable=False)
        return RedisSigns(reachable=True, epoch=epoch, seq=seq)


def observe(connection: psycopg.Connection, client: Redis, *, queues: Sequence[QueueDepth] = ()) -> Observation:
    """
    This will look at the installation from a thread.

    Raises:
        psycopg.Error: the database cannot be asked, or migrations have not been run.
    """
    try:
        epoch = number_of(client.get(EPOCH_KEY))
        seq = None if epoch is None else number_of(client.get(seq_key(epoch)))
        seen = RedisSigns(reachable=True, epoch=epoch, seq=seq)
    except RedisError:
        seen = RedisSigns(reachable=False)
    return Observation(signs=read_vital_signs(connection), redis=seen, queues=queues)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
