"""Redis, asked for what it holds ready; one that is away is left alone for a while."""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio
import redis.exceptions
from redis.commands.core import AsyncScript

logger = logging.getLogger(__name__)

REDIS_TIMEOUT_SECONDS = 0.25
REDIS_REST_SECONDS = 1.0
"""How long a Redis that failed is left alone before it is asked again."""

EPOCH_KEY = "{ff}:epoch"
"""Names the epoch of what Redis holds; keys of any other count for nothing."""

_REDIS_IS_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError, asyncio.IncompleteReadError)


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


class RedisReader:
    """One connection to Redis, made by `open()`; without it Redis cannot be asked."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._client: redis.asyncio.Redis | None = None
        self._keys: KeyReader | None = None
        self._scripts: dict[bytes, AsyncScript] = {}
        self._rests_until = 0.0
        self.epoch: str | None = None
        """The epoch as it was when last asked."""

    def open(self) -> None:
        """This will get ready without waiting for the server; one that is away is found out by use."""
        self._client = redis.asyncio.Redis.from_url(
            self._redis_url,
            socket_timeout=REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
            protocol=2,
            retry=None,
        )
        self._keys = KeyReader(self._client)

    async def close(self) -> None:
        """This will give the connection back."""
        if self._keys is not None:
            await self._keys.close()

    async def read(self, *keys: str) -> list[bytes | None] | None:
        """
        This will read keys from Redis at one moment; None when Redis cannot be asked.

        A failure is remembered for a second, in which nobody waits for Redis again.
        """
        if self._keys is None or time.monotonic() < self._rests_until:
            return None
        try:
            return await self._keys.read(keys)
        except _REDIS_IS_AWAY as error:
            self._leave_alone(error)
            return None

    async def run(self, script: bytes, keys: Sequence[str], arguments: Sequence[str | int | bytes]) -> Any:
        """
        This will run a script in Redis and give what it returns; None when Redis cannot be asked, as in `read`.
        """
        if self._client is None or time.monotonic() < self._rests_until:
            return None
        try:
            if script not in self._scripts:
                self._scripts[script] = self._client.register_script(script)
            return await self._scripts[script](keys=keys, args=arguments)
        except _REDIS_IS_AWAY as error:
            self._leave_alone(error)
            return None

    async def live_epoch(self) -> str | None:
        """The epoch of what Redis holds, as it was when last asked; None if there is none or Redis is away."""
        if self.epoch is None:
            found = await self.read(EPOCH_KEY)
            if found is not None and found[0] is not None:
                self.epoch = found[0].decode()
        return self.epoch

    def _leave_alone(self, error: BaseException) -> None:
        self._rests_until = time.monotonic() + REDIS_REST_SECONDS
        logger.warning("redis cannot be asked, the tables answer: %s", error)
