"""
Who may ask: the one place where a request is let in or refused, before any part of the house sees it.

Whoever asks shows an API key; other proofs would be recognised here too.
"""

import hmac
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime

from config.access.errors import (
    KeyExpired,
    KeyMissing,
    KeyRevoked,
    KeysUnavailable,
    KeyUnknown,
    NotAdmitted,
    ScopeMissing,
)
from config.access.keys import ApiKey, Credential, KeyScope, read_credential
from config.access.rate import Rates

type FindKey = Callable[[str], Awaitable[ApiKey | None]]
"""Finds a key by its prefix."""


class Gate:
    """Lets in who holds a key for what is asked; `anonymous` names the scopes for which nobody needs one."""

    def __init__(
        self,
        find: FindKey,
        *,
        anonymous: Collection[str],
        rates: Rates | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._find = find
        self._anonymous = anonymous
        self._rates = rates or Rates()
        self._now = now

    async def admit(self, authorization: str | None, *, needs: KeyScope) -> ApiKey | None:
        """
        This will let a request in, count it, and give the key it came with; None for one that needs none.

        Raises:
            NotAdmitted: it may not come in now, or the key cannot be looked up.
        """
        credential = read_credential(authorization)
        if credential is None:
            if needs in self._anonymous:
                return None
            raise KeyMissing(needs=needs)
        key = await self._recognise(credential)
        if not key.grants(needs):
            raise ScopeMissing(needs=needs)
        self._rates.take(key)
        return key

    async def still_admits(self, key: ApiKey) -> bool:
        """This will say whether a key that was let in would be now; while it cannot be looked up, it is."""
        try:
            await self._recognise(Credential(prefix=key.prefix, secret_sha256=key.secret_sha256))
        except KeysUnavailable:
            return True
        except NotAdmitted:
            return False
        return True

    def give_back(self, key: ApiKey) -> None:
        """This will count a request that was let in as none."""
        self._rates.give_back(key)

    async def _recognise(self, credential: Credential) -> ApiKey:
        key = await self._find(credential.prefix)
        # What became of a key is told to its holder only.
        if key is None or not hmac.compare_digest(key.secret_sha256, credential.secret_sha256):
            raise KeyUnknown
        if key.revoked_at is not None:
            raise KeyRevoked(revoked_at=key.revoked_at)
        if key.expires_at is not None and key.expires_at <= self._now():
            raise KeyExpired(expired_at=key.expires_at)
        return key
