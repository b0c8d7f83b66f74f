"""How often a key may ask: a bucket of a minute's requests for each, refilled evenly."""

import time
from collections.abc import Callable

from config.access.errors import RateUsedUp
from config.access.keys import ApiKey


class _Bucket:
    __slots__ = ("counted_at", "left")

    def __init__(self, left: float, counted_at: float) -> None:
        self.left = left
        self.counted_at = counted_at


class Rates:
    """The buckets of this process, one for each key with a rate that has asked."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: ApiKey) -> None:
        """
        This will count a request against the key's rate, if it has one.

        Raises:
            RateUsedUp: nothing is left; it says when there will be.
        """
        rate = key.requests_a_minute
        if rate is None:
            return
        now = self._clock()
        bucket = self._buckets.setdefault(key.prefix, _Bucket(rate, now))
        bucket.left = min(rate, bucket.left + (now - bucket.counted_at) * rate / 60)
        bucket.counted_at = now
        if bucket.left < 1:
            raise RateUsedUp(requests_a_minute=rate, wait_seconds=(1 - bucket.left) * 60 / rate)
        bucket.left -= 1

    def give_back(self, key: ApiKey) -> None:
        """This will make a counted request one that costs nothing."""
        if (bucket := self._buckets.get(key.prefix)) is not None:
            bucket.left += 1
