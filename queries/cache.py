"""
Answers that take long to work out, kept in Redis for whoever asks the same next.

# Note [Kept answers]
An answer is kept only if its snapshot shows exactly the state its freshness tells of, with nothing folded since, and it
is given only beside the same count of refreshes and the same freshness: to a reader of Redis while the aggregates held
ready there tell both, to a reader of the tables while their freshness row does. The count goes on where one version
takes over from another, and the time tells restored tables apart. So no answer outlives the tables it was worked out
from. It is found under a hash of the question and of the columns it is answered with. One process works an answer out
at a time; the lock only saves work, and ends by itself.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from typing import Any

import msgspec

from queries.connections import ReadSources
from queries.read_models.declaration import ReadModel
from queries.redis_budget import ANSWERS_BYTES
from queries.redis_reader import EPOCH_KEY
from queries.rest.encoding import encode_meta
from queries.service.arguments import Query
from queries.service.result import ReadyResult, Result, meta_of
from queries.service.state import is_settled
from queries.service.statements import load_statements
from queries.tables import Snapshot

_LUA = load_statements("cache.lua", package=__package__)

KEPT_SECONDS = 600
LARGEST_BYTES = 4 << 20
"""Larger answers are not kept."""

_AT_IT_SECONDS = 5
"""How long one process may be at an answer before another one begins; a statement may take as long."""

_LOOK_SECONDS = 0.02
_POSITION_PREFIX = b'"position":'
_AGES_KEY = "answers:{ff}:ages"
_SIZES_KEY = "answers:{ff}:sizes"

type Work = Callable[[Snapshot], Awaitable[Result | ReadyResult]]

_encoder = msgspec.json.Encoder(decimal_format="number")


class HeldReady(msgspec.Struct, frozen=True):
    """
    What Redis holds under a key, and which refresh it has reached at the same moment, with members of a `meta`.
    """

    refresh: bytes
    freshness: bytes
    position: int
    held: bytes | None


async def read_held(sources: ReadSources, key_in: Callable[[str], str]) -> HeldReady | None:
    """
    This will read the key that `key_in` names in the live epoch; None where Redis is away or has no live epoch.

    The epoch is read with the rest: keys of an epoch that has ended count for nothing, however fresh they look.
    """
    for _ in range(2):
        epoch = await sources.redis.live_epoch()
        if epoch is None:
            return None
        found = await sources.redis.read(EPOCH_KEY, f"{{ff}}:{epoch}:seq", f"{{ff}}:{epoch}:meta", key_in(epoch))
        if found is None:
            return None
        now, refresh, freshness, held = found
        if now is None or now.decode() != epoch:
            sources.redis.epoch = None
            continue
        if refresh is None or freshness is None or not freshness.startswith(_POSITION_PREFIX):
            return None
        position = int(freshness[len(_POSITION_PREFIX) : freshness.index(b",")])
        return HeldReady(refresh, freshness, position, held)
    return None


async def kept_answer(sources: ReadSources, *, query: Query, read_model: ReadModel, work: Work) -> Result | ReadyResult:
    """
    This will give the kept answer to a question if it still stands, else work it out in a snapshot and keep it.

    `work` may depend on nothing but the question and the snapshot. See Note [Kept answers].

    Raises:
        QueryError: what `work` raises, or the tables cannot be asked.
    """
    answer = _Answer(sources, query=query, read_model=read_model, work=work)
    found = await answer.still_standing()
    if found is not None and found.position >= query.least_position:
        return found
    # Whoever joins others may get an answer that was begun before the position he asks for was reached; then once more.
    for _ in range(2):
        result = await _together(sources, answer.key, answer.worked_out)
        position = result.position if isinstance(result, ReadyResult) else result.meta.position
        if position >= query.least_position:
            return result
    async with sources.snapshot() as snapshot:
        return await work(snapshot)


async def _together[T](sources: ReadSources, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What everybody in this process who asks meanwhile gets as well; whoever leaves does not end it for the others."""
    task = sources.under_way.get(key)
    if task is None:
        task = sources.under_way[key] = asyncio.create_task(work())
        task.add_done_callback(lambda done: _ended(sources, key, done))
    result: T = await asyncio.shield(task)
    return result


def _ended(sources: ReadSources, key: str, done: asyncio.Task[Any]) -> None:
    sources.under_way.pop(key, None)
    if not done.cancelled():
        # Whoever waited is told; where everybody has left, nobody has to be.
        done.exception()


class _Answer:
    """The answer to one question, wherever it comes from."""

    def __init__(self, sources: ReadSources, *, query: Query, read_model: ReadModel, work: Work) -> None:
        self._sources = sources
        self._read_model = read_model
        self._work = work
        self.key = _key(query, read_model)

    async def still_standing(self) -> ReadyResult | None:
        """The kept answer, where Redis holds the aggregates at the same freshness."""
        there = await read_held(self._sources, lambda _: self.key)
        return None if there is None else self._given(b"%b\n{%b," % (there.refresh, there.freshness), there.held)

    async def worked_out(self) -> Result | ReadyResult:
        """The answer from the tables, or from another process that was at it."""
        me = secrets.token_hex(8)
        patience = asyncio.get_running_loop().time() + _AT_IT_SECONDS
        while (begun := await self._begin(me)) == 0 and asyncio.get_running_loop().time() < patience:
            await asyncio.sleep(_LOOK_SECONDS)
            if (found := await self.still_standing()) is not None:
                return found
        kept = b""
        try:
            async with self._sources.snapshot() as snapshot:
                found = await self._kept_at(snapshot)
                if found is not None:
                    return found
                result = await self._work(snapshot)
                if begun and isinstance(result, Result) and await is_settled(snapshot):
                    kept = _packed(result, refresh=snapshot.freshness.seq)
        finally:
            if begun:
                await self._finish(me, kept)
        return result

    async def _kept_at(self, snapshot: Snapshot) -> ReadyResult | None:
        """The kept answer, where the tables stand at the same freshness: Redis may have yet to hear of it."""
        there = await self._sources.redis.read(self.key)
        freshness = encode_meta(meta_of(snapshot.freshness)).partition(b'"as_of":')[0]
        return None if there is None else self._given(b"%d\n%b" % (snapshot.freshness.seq, freshness), there[0])

    def _given(self, state: bytes, kept: bytes | None) -> ReadyResult | None:
        if kept is None or not kept.startswith(state):
            return None
        _, meta, rows = kept.split(b"\n", 2)
        told = msgspec.json.decode(meta, type=_Told)
        return ReadyResult(
            read_model=self._read_model,
            position=told.position,
            rows_json=rows,
            meta_json=meta,
            next_cursor=told.next_cursor,
        )

    async def _begin(self, me: str) -> int | None:
        begun: int | None = await self._sources.redis.run(
            _LUA["begin"], (f"{self.key}:at-it",), (me, _AT_IT_SECONDS * 1000)
        )
        return begun

    async def _finish(self, me: str, kept: bytes) -> None:
        await self._sources.redis.run(
            _LUA["finish"],
            (f"{self.key}:at-it", self.key, _AGES_KEY, _SIZES_KEY),
            (me, kept, KEPT_SECONDS * 1000, ANSWERS_BYTES),
        )


@lru_cache(maxsize=4096)
def _key(query: Query, read_model: ReadModel) -> str:
    question = (
        read_model.name,
        [column.name for column in read_model.columns],
        type(query).__name__,
        msgspec.structs.replace(query, min_position=None),
    )
    return f"answers:{{ff}}:{hashlib.blake2b(msgspec.json.encode(question), digest_size=16).hexdigest()}"


class _Told(msgspec.Struct):
    position: int
    next_cursor: str | None


def _packed(result: Result, *, refresh: int) -> bytes:
    meta = encode_meta(msgspec.structs.replace(result.meta, source="redis"))
    packed = b"%d\n%b\n%b" % (refresh, meta, _encoder.encode(result.rows))
    return packed if len(packed) <= LARGEST_BYTES else b""
