"""What a process has worked out and keeps in memory, up to a length."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sized


class Kept[K: Hashable, V: Sized]:
    """Keeps what was last used, up to a length of all together; what has not been used for longest goes first."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._length = 0
        self._held: OrderedDict[K, V] = OrderedDict()
        self._being_made: dict[K, asyncio.Future[None]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """
        This will give what is kept under a key, or have it made; whoever asks meanwhile waits for it.

        Where the making fails, one of those who waited makes it anew.
        """
        while key not in self._held:
            if (made_elsewhere := self._being_made.get(key)) is not None:
                await asyncio.shield(made_elsewhere)
                continue
            made = self._being_made[key] = asyncio.get_running_loop().create_future()
            try:
                value = await make()
                self._keep(key, value)
                return value
            finally:
                del self._being_made[key]
                made.set_result(None)
        self._held.move_to_end(key)
        return self._held[key]

    def _keep(self, key: K, value: V) -> None:
        self._held[key] = value
        self._length += 1 + len(value)
        while self._length > self._most:
            _, dropped = self._held.popitem(last=False)
            self._length -= 1 + len(dropped)
